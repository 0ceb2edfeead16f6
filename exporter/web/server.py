"""The exporter's pages: /metrics, /-/healthy, /-/ready, /-/reload and a status page."""

from __future__ import annotations

import errno
import gzip
import http.client
import logging
import posixpath
import socket
import ssl
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs, unquote, urlsplit

from exporter.daemon.cycle import CycleError
from exporter.daemon.daemon import Daemon
from exporter.state import sent
from exporter.state.sent import Asked
from exporter.web import tls
from exporter.web.config import WebConfig
from exporter.web.connections import Connection, Connections, Phase
from exporter.web.listening import listening, shown
from exporter.web.model_pages import ModelPages
from exporter.web.passwords import Verdict
from exporter.web.protection import Protection

logger = logging.getLogger(__name__)

_COMPRESS_FROM = 1024
_BINARY = "application/octet-stream"
_MODELS, _SUMMARIES = "/models/", "/summaries/"
_MOST_HEADERS = 32 << 10
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Server(ThreadingHTTPServer):
    """Serves the pages of a daemon at ``host:port`` (port 0: any free one)."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        watched: Daemon,
        *,
        protection: Protection | None = None,
        lifecycle: bool = False,
        summaries: bool = False,
    ) -> None:
        """Raises OSError where the address cannot be bound. ``summaries``: serve what models have counted."""
        self.watched = watched
        self.protection = protection
        self.lifecycle = lifecycle
        self.summaries = summaries
        self.connections = Connections()
        self.pages = ModelPages(watched)
        # Never called: ``finish_request`` hands a connection to its handler.
        super().__init__(address, BaseHTTPRequestHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening(address, self.request_queue_size)
        self.server_address = self.socket.getsockname()

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in _NO_DESCRIPTOR:
                # It would be asked again at once, for as long as there is no free descriptor.
                time.sleep(0.2)
            raise

    def service_actions(self) -> None:
        self.connections.reap()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.connections.admit(request):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self.connections.release(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.release(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, in its own thread: a client that never shakes hands delays nobody else."""
        connection = self.connections.of(request)
        request.settimeout(Phase.IDLE.value)
        config = self.protection.current() if self.protection is not None else None
        if config is None or config.tls is None:
            _Handler(request, client_address, self, connection)
            return
        with config.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as wrapped:
            # The socket below is taken over, and an empty one is left.
            connection.handle = wrapped
            wrapped.do_handshake()
            if config.sans and not tls.has_name(wrapped, config.sans):
                logger.debug("%s has none of the client_allowed_sans", client_address)
                return
            _Handler(wrapped, client_address, self, connection)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base's signature
        logger.debug("request from %s failed", client_address, exc_info=True)

    @property
    def url(self) -> str:
        encrypted = self.protection is not None and self.protection.current().tls is not None
        return shown(self.socket.getsockname(), secure=encrypted)


class _Headers:
    """Lines of headers, of which there are so many bytes at most."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MOST_HEADERS

    def readline(self, size: int) -> bytes:
        line = self._file.readline(min(size, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise http.client.LineTooLong("headers")
        return line


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "mlslo-exporter"
    sys_version = ""
    # HTTP/0.9 has no status: whoever speaks it, or no HTTP at all, is answered in 1.0.
    default_request_version = "HTTP/1.0"
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"
    # Headers and page are two packets; the second must not wait until the first is acknowledged.
    disable_nagle_algorithm = True

    def __init__(
        self, request: Any, client_address: Any, server: Server, connection_state: Connection
    ) -> None:
        self._state = connection_state
        self._config: WebConfig | None = None
        super().__init__(request, client_address, server)

    def handle_one_request(self) -> None:
        self._state.enter(Phase.IDLE)
        self._config = self.server.protection.current() if self.server.protection is not None else None
        try:
            waiting = cast(Any, self.rfile).peek(1)
        except (TimeoutError, ssl.SSLError, ConnectionError):
            waiting = b""
        if not waiting:
            self.close_connection = True
            return
        self._state.enter(Phase.REQUEST)
        super().handle_one_request()

    def parse_request(self) -> bool:
        file = self.rfile
        self.rfile = cast(Any, _Headers(cast(BinaryIO, file)))
        try:
            parsed = super().parse_request()
        finally:
            self.rfile = file
        self._state.enter(Phase.ANSWER)
        if parsed and ("Content-Length" in self.headers or "Transfer-Encoding" in self.headers):
            # A body is not read, and is no request.
            self.close_connection = True
        return parsed

    def do_GET(self) -> None:
        if not self._allowed():
            return
        site = self.server.watched
        if (asked := _below(_SUMMARIES, self.path)) is not None:
            self._summaries(*asked)
            return
        if (asked := _below(_MODELS, self.path)) is not None:
            page = self.server.pages.model(*asked)
            if page is None:
                self._text(HTTPStatus.NOT_FOUND, "No such model, or no good cycle of it yet; see /.")
            else:
                self._html(page)
            return
        match _normal(self.path):
            case "/metrics":
                compressed = self._takes_gzip()
                body, content_type = site.page.answer(
                    self.headers.get("Accept", ""), compressed=compressed, live=site.running()
                )
                self._send(HTTPStatus.OK, body, content_type, compressed=compressed)
            case "/-/healthy":
                wrong = site.unhealthy()
                self._answer(wrong is None, "Healthy.", wrong or "")
            case "/-/ready":
                self._answer(
                    site.ready(), "Ready.", "Some model has had no good cycle yet; see / and the log."
                )
            case "/":
                self._html(self.server.pages.index())
            case "/-/reload":
                self._text(HTTPStatus.METHOD_NOT_ALLOWED, "Reload with POST or PUT.", {"Allow": "POST, PUT"})
            case _:
                self._text(HTTPStatus.NOT_FOUND, "No such page; see /.")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.close_connection = True
        if not self._allowed():
            return
        if _normal(self.path) != "/-/reload":
            self._text(HTTPStatus.NOT_FOUND, "No such page; see /.")
        elif not self.server.lifecycle:
            self._text(
                HTTPStatus.FORBIDDEN, "Lifecycle API is not enabled: start with --web.enable-lifecycle."
            )
        else:
            wrong = self.server.watched.reload()
            self._answer(wrong is None, "Reloaded.", wrong or "", HTTPStatus.INTERNAL_SERVER_ERROR)

    do_PUT = do_POST

    def _summaries(self, name: str, query: str) -> None:
        site, model = self.server.watched, unquote(name)
        if not self.server.summaries:
            self._text(HTTPStatus.FORBIDDEN, "Summaries are not served: start with --web.enable-summaries.")
            return
        tag = site.summaries_tag(model)
        if tag is None:
            self._text(HTTPStatus.NOT_FOUND, "No such model; see /.")
            return
        headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
        if self.headers.get("If-None-Match") == headers["ETag"]:
            self._send(HTTPStatus.NOT_MODIFIED, b"", _BINARY, headers=headers)
            return
        asked = {key: values[-1] for key, values in parse_qs(query).items()}
        try:
            page = site.summaries(model, Asked(asked.get("since", ""), asked.get("after", "")))
        except CycleError as error:
            self._text(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}; ask again.", {"Retry-After": "5"})
        except ValueError:
            self._text(HTTPStatus.BAD_REQUEST, "since and after are not of an earlier page.")
        else:
            self._send(HTTPStatus.OK, sent.write(page), _BINARY, headers=headers)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        logger.debug(format, *args)

    def _allowed(self) -> bool:
        config = self._config
        if config is None:
            return True
        if not config.admits():
            self._text(HTTPStatus.TOO_MANY_REQUESTS, "More requests than rate_limit allows.")
            return False
        if config.passwords is None:
            return True
        verdict = config.passwords.verdict(self.headers.get("Authorization"))
        if verdict is Verdict.BUSY:
            self._text(
                HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong passwords; ask again.", {"Retry-After": "1"}
            )
        elif verdict is Verdict.REFUSED:
            realm = {"WWW-Authenticate": 'Basic realm="mlslo-exporter"'}
            self._text(HTTPStatus.UNAUTHORIZED, "Unauthorized", realm)
        return verdict is Verdict.ACCEPTED

    def _takes_gzip(self) -> bool:
        for item in self.headers.get("Accept-Encoding", "").lower().split(","):
            name, *parameters = (part.strip() for part in item.split(";"))
            if name == "gzip":
                return not any(part.replace(" ", "").rstrip("0.") == "q=" for part in parameters)
        return False

    def _answer(
        self, good: bool, text: str, otherwise: str, failure: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE
    ) -> None:
        self._text(HTTPStatus.OK if good else failure, text if good else otherwise)

    def _html(self, body: bytes) -> None:
        if compressed := len(body) >= _COMPRESS_FROM and self._takes_gzip():
            body = gzip.compress(body, 1, mtime=0)
        self._send(HTTPStatus.OK, body, "text/html; charset=utf-8", compressed=compressed)

    def _text(self, status: HTTPStatus, text: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self._send(status, f"{text}\n".encode(), "text/plain; charset=utf-8", headers=headers)

    def _send(
        self,
        status: HTTPStatus,
        body: bytes,
        content_type: str,
        *,
        compressed: bool = False,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if compressed:
            self.send_header("Content-Encoding", "gzip")
        for name, value in (*(self._config.headers if self._config else {}).items(), *headers.items()):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _below(folder: str, target: str) -> tuple[str, str] | None:
    """Return name and query of a request for a model in ``folder``, as they are written: a name may hold slashes."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    return (parts.path.removeprefix(folder), parts.query) if parts.path.startswith(folder) else None


def _normal(target: str) -> str:
    """Return the path of a request target: decoded, without ``//``, ``/./`` and a slash at its end."""
    try:
        path = unquote(urlsplit(target).path)
    except ValueError:
        return ""
    return "/" + posixpath.normpath(f"/{path}").lstrip("/")
