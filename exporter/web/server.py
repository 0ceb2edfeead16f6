"""The exporter's pages: /metrics, /-/healthy, /-/ready, /-/reload and a status page."""

from __future__ import annotations

import gzip
import logging
import socket
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from exporter.daemon.daemon import Daemon
from exporter.measure.exposition import negotiated
from exporter.web.config import WebConfig
from exporter.web.model_pages import ModelPages

logger = logging.getLogger(__name__)

_REQUEST_TIMEOUT = 30.0
_COMPRESS_FROM = 1024


class Server(ThreadingHTTPServer):
    """Serves the pages of a daemon at ``host:port`` (port 0: any free one)."""

    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        watched: Daemon,
        *,
        config: WebConfig | None = None,
        lifecycle: bool = False,
    ) -> None:
        """Raises OSError where the address cannot be bound."""
        self.watched = watched
        self.config = config
        self.lifecycle = lifecycle
        self.address_family = socket.AF_INET6 if ":" in address[0] or not address[0] else socket.AF_INET
        self.pages = ModelPages(watched)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6 and not self.server_address[0]:
            # All addresses, of both families.
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def finish_request(self, request: object, client_address: object) -> None:
        connection = request
        assert isinstance(connection, socket.socket)
        connection.settimeout(_REQUEST_TIMEOUT)
        if self.config is not None and self.config.tls is not None:
            # In the request's own thread: a client that never shakes hands delays nobody else.
            connection = self.config.tls.wrap_socket(connection, server_side=True)
        super().finish_request(connection, client_address)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base's signature
        logger.debug("request from %s failed", client_address, exc_info=True)

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        scheme = "https" if self.config is not None and self.config.tls is not None else "http"
        shown = "localhost" if str(host) in ("", "::", "0.0.0.0") else str(host)
        return f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "mlslo-exporter"
    sys_version = ""

    def do_GET(self) -> None:
        if not self._allowed():
            return
        site = self.server.watched
        match self.path.partition("?")[0]:
            case "/metrics":
                self._send(HTTPStatus.OK, *negotiated(site.page, self.headers.get("Accept", "")))
            case "/-/healthy":
                self._answer(site.alive, "Healthy.", "No cycles are run any more.")
            case "/-/ready":
                self._answer(
                    site.ready(), "Ready.", "Some model has had no good cycle yet; see / and the log."
                )
            case "/":
                self._send(HTTPStatus.OK, self.server.pages.index(), "text/html; charset=utf-8")
            case path if path.startswith("/models/"):
                page = self.server.pages.model(path.removeprefix("/models/"), self.path.partition("?")[2])
                if page is None:
                    self._text(HTTPStatus.NOT_FOUND, "No such model, or no good cycle of it yet; see /.")
                else:
                    self._send(HTTPStatus.OK, page, "text/html; charset=utf-8")
            case "/-/reload":
                self._text(HTTPStatus.METHOD_NOT_ALLOWED, "Reload with POST or PUT.")
            case _:
                self._text(HTTPStatus.NOT_FOUND, "No such page; see /.")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.close_connection = True
        if not self._allowed():
            return
        if self.path.partition("?")[0] != "/-/reload":
            self._text(HTTPStatus.NOT_FOUND, "No such page; see /.")
        elif not self.server.lifecycle:
            self._text(
                HTTPStatus.FORBIDDEN, "Lifecycle API is not enabled: start with --web.enable-lifecycle."
            )
        else:
            wrong = self.server.watched.reload()
            self._answer(wrong is None, "Reloaded.", wrong or "", HTTPStatus.INTERNAL_SERVER_ERROR)

    do_PUT = do_POST

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        logger.debug(format, *args)

    def _allowed(self) -> bool:
        config = self.server.config
        if config is None or config.accepts(self.headers.get("Authorization")):
            return True
        self._text(HTTPStatus.UNAUTHORIZED, "Unauthorized")
        return False

    def _answer(
        self, good: bool, text: str, otherwise: str, failure: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE
    ) -> None:
        self._text(HTTPStatus.OK if good else failure, text if good else otherwise)

    def _text(self, status: HTTPStatus, text: str) -> None:
        self._send(status, f"{text}\n".encode(), "text/plain; charset=utf-8")

    def _send(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        compress = len(body) >= _COMPRESS_FROM and "gzip" in self.headers.get("Accept-Encoding", "")
        if compress:
            body = gzip.compress(body, 1, mtime=0)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="mlslo-exporter"')
        if compress:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
