#!/usr/bin/env python3
"""Local stand-ins for Slack's incoming webhooks, PagerDuty's Events API v2, a dead man's switch and a deployer.

One small HTTP server on the loopback interface. It answers as the real services do, refuses what they
refuse, and keeps what it was sent. In a test or a demo::

    with Standins() as standins:
        ...  # Alertmanager sends to standins.slack_url, .pagerduty_url and .webhook_url
        page = standins.wait_for(lambda delivery: delivery.kind == "pagerduty", timeout=30)
        print(render(page))

By itself, it prints each delivery as the person would see it::

    python examples/standins.py --port 9099
"""

from __future__ import annotations

import argparse
import html
import json
import re
import signal
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

SLACK, PAGERDUTY, WEBHOOK, DEPLOYER = "slack", "pagerduty", "webhook", "deployer"

# The real APIs' limits. https://developer.pagerduty.com/docs/send-alert-event
_LARGEST_BODY = 512 * 1024
_SEVERITIES = ("critical", "error", "warning", "info")
_ACTIONS = ("trigger", "acknowledge", "resolve")
_WIDTH = 96
_ENDINGS = {signal.SIGINT, signal.SIGTERM}


@dataclass(frozen=True)
class Delivery:
    """Something that was sent and accepted.

    ``kind`` is slack, pagerduty, webhook or deployer; ``path`` the URL's path; ``payload`` the JSON body.
    ``effect`` is what a PagerDuty event did: ``triggered`` a new incident (somebody is woken),
    ``updated`` or ``resolved`` an open one, or ``nothing``; empty for the other kinds.
    """

    kind: str
    time: datetime
    path: str
    payload: dict[str, Any]
    effect: str = ""


class Standins:
    """The four services, listening once ``start()`` was called or in a ``with`` block.

    Raises OSError where the port is taken.
    """

    def __init__(self, port: int = 0, on_delivery: Callable[[Delivery], None] | None = None) -> None:
        self._arrived = threading.Condition()
        self._deliveries: list[Delivery] = []
        self._refused: list[tuple[str, str]] = []
        self._incidents: dict[str, str] = {}
        self._on_delivery = on_delivery
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.standins = self
        self._thread: threading.Thread | None = None

    def start(self) -> Standins:
        """Begin to answer."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="standins", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering; what was delivered stays readable."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> Standins:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def slack_url(self) -> str:
        """For ``slack_configs``, in the file that ``api_url_file`` names."""
        return f"{self.url}/services/T00000000/B00000000/standin"

    @property
    def pagerduty_url(self) -> str:
        """For the ``url`` of ``pagerduty_configs``; any 32 letters and digits are a routing key."""
        return f"{self.url}/v2/enqueue"

    @property
    def webhook_url(self) -> str:
        """For the ``url`` of ``webhook_configs``: a dead man's switch takes anything as a sign of life."""
        return f"{self.url}/ping"

    @property
    def deployer_url(self) -> str:
        """For an action's ``http``: takes ``{"model": …, "version": …}``, and deploys nothing by itself."""
        return f"{self.url}/deploy"

    @property
    def deliveries(self) -> list[Delivery]:
        """Everything accepted so far, in the order of arrival."""
        with self._arrived:
            return list(self._deliveries)

    @property
    def refused(self) -> list[tuple[str, str]]:
        """Everything refused so far: the kind of service, or the path where there is none, and why."""
        with self._arrived:
            return list(self._refused)

    @property
    def open_incidents(self) -> dict[str, str]:
        """PagerDuty's open incidents: ``dedup_key`` -> summary."""
        with self._arrived:
            return dict(self._incidents)

    def wait_for(self, predicate: Callable[[Delivery], bool], timeout: float) -> Delivery:
        """The first delivery, past or to come, of which ``predicate`` is true.

        Raises TimeoutError, naming what did arrive, when there is none within ``timeout`` seconds.
        """
        deadline = monotonic() + timeout
        seen = 0
        with self._arrived:
            while True:
                for delivery in self._deliveries[seen:]:
                    if predicate(delivery):
                        return delivery
                seen = len(self._deliveries)
                if not self._arrived.wait(deadline - monotonic()) and monotonic() >= deadline:
                    raise TimeoutError(self._what_arrived(timeout))

    def _what_arrived(self, timeout: float) -> str:
        accepted = [f"{delivery.kind}: {headline(delivery)}" for delivery in self._deliveries]
        refused = [f"refused by {kind}: {reason}" for kind, reason in self._refused]
        return "\n  ".join([f"not delivered within {timeout} s; this was:", *accepted, *refused])

    def accept(self, kind: str, path: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Keep a valid payload; returns the fields of the answer."""
        answer: dict[str, Any] = {}
        with self._arrived:
            effect = ""
            if kind == PAGERDUTY:
                key = payload.get("dedup_key") or f"standin-{len(self._deliveries)}"
                effect = self._incident(key, payload)
                answer = {"dedup_key": key}
            delivery = Delivery(kind, datetime.now(UTC), path, payload, effect)
            self._deliveries.append(delivery)
            self._arrived.notify_all()
            if self._on_delivery is not None:
                self._on_delivery(delivery)
        return answer

    def refuse(self, kind: str, reason: str) -> None:
        """Keep the reason why something was not taken."""
        with self._arrived:
            self._refused.append((kind, reason))

    def _incident(self, key: str, event: dict[str, Any]) -> str:
        is_open = key in self._incidents
        if event["event_action"] == "trigger":
            self._incidents[key] = event["payload"]["summary"]
            return "updated" if is_open else "triggered"
        if event["event_action"] == "resolve" and is_open:
            del self._incidents[key]
            return "resolved"
        return "nothing"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    standins: Standins

    def handle_error(self, request: object, client_address: object) -> None:
        """A sender who hangs up before the answer is none of our errors."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _LARGEST_BODY:
            self.close_connection = True
            self._refuse(path, 413, "text/plain", "Payload Too Large")
            return
        body = self.rfile.read(int(length))
        if path.startswith("/services/"):
            self._slack(path, body)
        elif path == "/v2/enqueue":
            self._pagerduty(path, body)
        elif path.startswith("/ping"):
            self._webhook(path, body)
        elif path == "/deploy":
            self._deploy(path, body)
        else:
            self._refuse(path, 404, "text/plain", "no such service")

    def do_GET(self) -> None:
        """A dead man's switch may be pinged without a body."""
        path = urlsplit(self.path).path
        if path.startswith("/ping"):
            self._webhook(path, b"")
        else:
            self._refuse(path, 404, "text/plain", "no such service")

    def _slack(self, path: str, body: bytes) -> None:
        message = _json_object(body)
        if message is None:
            self._refuse(SLACK, 400, "text/plain", "invalid_payload")
        elif not (message.get("text") or message.get("attachments") or message.get("blocks")):
            self._refuse(SLACK, 400, "text/plain", "no_text")
        else:
            self.server.standins.accept(SLACK, path, message)
            self._answer(200, "text/plain", "ok")

    def _pagerduty(self, path: str, body: bytes) -> None:
        event = _json_object(body)
        errors = ["body is not a JSON object"] if event is None else _event_errors(event)
        if event is None or errors:
            answer = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
            self._refuse(PAGERDUTY, 400, "application/json", json.dumps(answer))
        else:
            kept = self.server.standins.accept(PAGERDUTY, path, event)
            answer = {"status": "success", "message": "Event processed", **kept}
            self._answer(202, "application/json", json.dumps(answer))

    def _webhook(self, path: str, body: bytes) -> None:
        self.server.standins.accept(WEBHOOK, path, _json_object(body) or {})
        self._answer(200, "text/plain", "OK")

    def _deploy(self, path: str, body: bytes) -> None:
        order = _json_object(body) or {}
        missing = [key for key in ("model", "version") if not isinstance(order.get(key), str)]
        if missing:
            self._refuse(DEPLOYER, 400, "text/plain", f"expected {' and '.join(missing)}")
        else:
            self.server.standins.accept(DEPLOYER, path, order)
            self._answer(202, "application/json", json.dumps({"status": "accepted"}))

    def _refuse(self, kind: str, status: int, content_type: str, text: str) -> None:
        self.server.standins.refuse(kind, text)
        self._answer(status, content_type, text)

    def _answer(self, status: int, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Deliveries are shown instead."""


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _event_errors(event: dict[str, Any]) -> list[str]:
    """Return PagerDuty's objections to ``event``."""
    errors = []
    if not re.fullmatch(r"[0-9a-zA-Z]{32}", str(event.get("routing_key", ""))):
        errors.append("'routing_key' is missing or is not 32 letters and digits")
    action = event.get("event_action")
    if action not in _ACTIONS:
        errors.append(f"'event_action' must be one of {', '.join(_ACTIONS)}")
    if action in ("acknowledge", "resolve") and not event.get("dedup_key"):
        errors.append("'dedup_key' is missing")
    if len(str(event.get("dedup_key", ""))) > 255:
        errors.append("'dedup_key' is longer than 255 characters")
    if action != "trigger":
        return errors
    payload = event.get("payload")
    if not isinstance(payload, dict):
        return [*errors, "'payload' is missing"]
    errors.extend(
        f"'payload.{key}' is missing or blank" for key in ("summary", "source") if not payload.get(key)
    )
    if len(str(payload.get("summary", ""))) > 1024:
        errors.append("'payload.summary' is longer than 1024 characters")
    if payload.get("severity") not in _SEVERITIES:
        errors.append(f"'payload.severity' must be one of {', '.join(_SEVERITIES)}")
    return errors


def headline(delivery: Delivery) -> str:
    """Return the line that a locked phone shows."""
    payload = delivery.payload
    if delivery.kind == SLACK:
        attachments = payload.get("attachments") or [{}]
        first = attachments[0]
        text = first.get("fallback") or first.get("title") or first.get("text") or payload.get("text") or ""
        return html.unescape(text).splitlines()[0] if text else ""
    if delivery.kind == PAGERDUTY:
        return str((payload.get("payload") or {}).get("summary") or payload.get("dedup_key"))
    if delivery.kind == DEPLOYER:
        return f"deploy {payload['model']} {payload['version']}"
    alerts = payload.get("alerts") or []
    names = sorted({alert.get("labels", {}).get("alertname", "") for alert in alerts})
    return f"{payload.get('status', 'ping')} {', '.join(names)}".rstrip()


def render(delivery: Delivery) -> str:
    """``delivery`` as text for a terminal, as the person would see it; no trailing newline."""
    clock = delivery.time.strftime("%H:%M:%S")
    if delivery.kind == SLACK:
        return _box(
            f"Slack {delivery.payload.get('channel', '')}".rstrip() + f" · {clock}", _slack_lines(delivery)
        )
    if delivery.kind == PAGERDUTY:
        return _box(f"PagerDuty · {clock}", _pagerduty_lines(delivery))
    if delivery.kind == DEPLOYER:
        return f"  deployer · {clock} · {headline(delivery)}"
    return f"  dead man's switch · {clock} · {headline(delivery)}"


def _slack_lines(delivery: Delivery) -> list[str]:
    lines = [delivery.payload["text"]] if delivery.payload.get("text") else []
    for attachment in delivery.payload.get("attachments") or []:
        for key in ("pretext", "title", "text"):
            if attachment.get(key):
                lines.extend(attachment[key].splitlines())
        for extra in attachment.get("fields") or []:
            lines.append(f"{extra.get('title', '')}: {extra.get('value', '')}")
        if attachment.get("footer"):
            lines.append(attachment["footer"])
    # Of a link, a person sees the words.
    linked = (re.sub(r"<([^|>]*)\|([^>]*)>", r"\2", line) for line in lines)
    return [html.unescape(re.sub(r"<(https?:[^|>]*)>", r"\1", line)) for line in linked]


def _pagerduty_lines(delivery: Delivery) -> list[str]:
    event = delivery.payload
    payload = event.get("payload") or {}
    effects = {
        "triggered": f"PAGE · {payload.get('severity', '')}".rstrip(" ·"),
        "updated": "incident updated, nobody is woken again",
        "resolved": "incident RESOLVED",
        "nothing": f"{event.get('event_action')}: no such incident",
    }
    lines = [effects[delivery.effect], str(payload.get("summary") or "")]
    if delivery.effect in ("triggered", "updated"):
        details = payload.get("custom_details") or {}
        lines.extend(str(details.get("firing", "")).splitlines())
        lines.append(" · ".join(str(link.get("text")) for link in event.get("links") or []))
    return lines


def _box(title: str, lines: list[str]) -> str:
    wrapped = [
        part
        for line in lines
        for part in textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
    ]
    return "\n".join([f"┌─ {title}", *(f"│ {line}".rstrip() for line in wrapped), "└─"])


def main() -> int:
    """Listen until interrupted, and print what arrives."""
    parser = argparse.ArgumentParser(
        description="Stand-ins for Slack, PagerDuty, a dead man's switch and a deployer."
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; a free one without it")
    arguments = parser.parse_args()
    # Waited for, not handled: a handler that comes while the main thread enters its wait would wait for it for ever.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        standins = Standins(arguments.port, lambda delivery: print(render(delivery), flush=True))
    except (OSError, OverflowError) as error:
        print(f"cannot listen on port {arguments.port}: {error}", file=sys.stderr)
        return 2
    with standins:
        print(f"Slack              {standins.slack_url}")
        print(f"PagerDuty          {standins.pagerduty_url}")
        print(f"dead man's switch  {standins.webhook_url}")
        print(f"deployer           {standins.deployer_url}", flush=True)
        signal.sigwait(_ENDINGS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
