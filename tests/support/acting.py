"""`mlslo-exporter act` in a process of its own, alerts that it is sent, and a server that it calls."""

from __future__ import annotations

import base64
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml

from exporter.act.record import Entry, Record
from tests.support.commands import start

TOKEN = "alertmanagers-token"
STARTED = "2026-11-30T20:00:00.123456789Z"


def actions_file(folder: Path, *actions: Mapping[str, Any], **spec: Any) -> Path:
    """Write an AlertActions file, and return its path."""
    document = {
        "apiVersion": "mlslo/v1",
        "kind": "AlertActions",
        "metadata": {"name": "test"},
        "spec": {"actions": list(actions), **spec},
    }
    path = folder / "actions.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def alert(name: str, number: int = 1, status: str = "firing", **labels: str) -> dict[str, Any]:
    """Return an alert as Alertmanager sends it; ``number`` tells fingerprints apart."""
    return {
        "status": status,
        "labels": {"alertname": name, "model": "fraud", **labels},
        "annotations": {"summary": "it drifts"},
        "startsAt": STARTED,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": f"{number:016x}",
    }


def message(*alerts: Mapping[str, Any]) -> bytes:
    """Return the webhook's body."""
    return json.dumps({"version": "4", "groupKey": "{}", "truncatedAlerts": 0, "alerts": alerts}).encode()


class Called(NamedTuple):
    """A request that was received."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Receiver:
    """A server that actions call. ``status``: by path, what is answered (200); 0 never answers."""

    def __init__(self) -> None:
        self.calls: list[Called] = []
        self.status: dict[str, int] = {}
        self.released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.calls.append(
                    Called(self.command, self.path, dict(self.headers), json.loads(body) if body else None)
                )
                status = receiver.status.get(self.path, 200)
                if not status:
                    receiver.released.wait(60)
                    return
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_PUT = do_POST

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def to(self, path: str) -> list[Called]:
        """Return the requests to a path."""
        return [call for call in self.calls if call.path == path]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


class Act:
    """The program. Runs until the `with` block ends."""

    def __init__(self, folder: Path, file: Path, *options: object) -> None:
        self.state = folder / "state"
        self._errors = folder / "errors"
        self._command = (
            "act",
            file,
            "--web.listen-address",
            "127.0.0.1:0",
            "--state-dir",
            self.state,
            *options,
        )
        self.url = ""

    def __enter__(self) -> Self:
        self._errors.write_text("")
        self.process = start(*self._command, errors=self._errors)
        until(lambda: '"msg": "started"' in self.log or self.process.exitcode is not None)
        assert self.process.exitcode is None, self.log
        self.url = next(line["url"] for line in self.lines() if line["msg"] == "started").removesuffix(
            "/alerts"
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.is_alive():
            self.process.terminate()
        self.process.join(60)
        assert self.process.exitcode in (0, -signal.SIGKILL), self.log

    def kill(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()

    @property
    def log(self) -> str:
        return self._errors.read_text()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines()]

    def entries(self, **equal: Any) -> list[Entry]:
        record = Record(self.state)
        try:
            return list(record.entries(**equal))
        finally:
            record.close()

    def ask(self, path: str, body: bytes | None = None, user: str = "", **headers: str) -> tuple[int, str]:
        """Send a request; ``user`` logs in with a password like the name. Returns status and text."""
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if user:
            sent["Authorization"] = f"Basic {base64.b64encode(f'{user}:{user}'.encode()).decode()}"
        request = urllib.request.Request(self.url + path, body, sent)
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def send(self, *alerts: Mapping[str, Any]) -> tuple[int, str]:
        """Send alerts as Alertmanager does."""
        return self.ask("/alerts", message(*alerts), Authorization=f"Bearer {TOKEN}")

    def decide(self, token: str, user: str, decision: str = "approve", **headers: str) -> tuple[int, str]:
        """Approve or reject."""
        return self.ask(f"/approvals/{token}", json.dumps({"decision": decision}).encode(), user, **headers)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def until(holds: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something that is sure to come."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)
