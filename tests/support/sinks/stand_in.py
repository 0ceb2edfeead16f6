"""A server on loopback that stands in for one that is not to be had: it follows the documentation of its API."""

from __future__ import annotations

import base64
import json
import random
import threading
from abc import abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.sinks import SinkServer

USER, PASSWORD = "exporter", "a-password-of-tests"


class RefusalError(Exception):
    """An answer of another status than 200, with its text."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class StandIn(SinkServer):
    """An HTTP server in a thread, which asks for a user and a password.

    ``refusals``: given instead of the next answers. ``asked``: how many requests came.
    """

    secret = PASSWORD
    ordered = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.random = random.Random(0)
        self.lock = threading.Lock()
        self.refusals: list[RefusalError] = []
        self.asked = 0
        self._password = PASSWORD
        (folder / "password").write_text(f"{PASSWORD}\n")
        self._port = 0
        self.start()
        self.begin()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def credentials(self) -> dict[str, str]:
        return {"username": USER, "passwordFile": str(self.folder / "password")}

    @abstractmethod
    def answer(self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> bytes:
        """Answer a request. Raises RefusalError."""

    def refuse(self) -> None:
        self._password = "another one"

    def accept(self) -> None:
        self._password = PASSWORD

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def start(self) -> None:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stand_in.handle(self)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        try:
            with self.lock:
                self._let_in(request.headers.get("Authorization"))
                query = dict(parse_qsl(parts.query))
                content = self.answer(request.command, parts.path, query, request.headers, body)
            status, headers = 200, {"Content-Type": "application/json"}
        except RefusalError as refusal:
            status, headers, content = refusal.status, refusal.headers, refusal.text.encode()
        try:
            request.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                request.send_header(name.replace("_", "-"), value)
            request.end_headers()
            request.wfile.write(content)
        except ConnectionError:
            # A reader was killed, or had enough.
            return

    def _let_in(self, authorization: str | None) -> None:
        self.asked += 1
        if self.refusals:
            raise self.refusals.pop(0)
        expected = base64.b64encode(f"{USER}:{self._password}".encode()).decode()
        if authorization != f"Basic {expected}":
            raise RefusalError(401, "Unauthorized")

    def close(self) -> None:
        self.stop()


def as_json(content: Any) -> bytes:
    return json.dumps(content).encode()
