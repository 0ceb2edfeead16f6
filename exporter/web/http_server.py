"""HTTP server: a thread a connection, bounded in number and time, protected as the web configuration says."""

from __future__ import annotations

import errno
import gzip
import http.client
import logging
import posixpath
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, BinaryIO, ClassVar, cast
from urllib.parse import unquote, urlsplit

from exporter.web import tls
from exporter.web.config import WebConfig
from exporter.web.connections import Connection, Connections, Phase
from exporter.web.listening import listening, shown
from exporter.web.passwords import Verdict
from exporter.web.protection import Protection

logger = logging.getLogger(__name__)

_COMPRESS_FROM = 1024
_MOST_HEADERS = 32 << 10
_MOST_DISCARDED = 8 << 20
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class HttpServer(ThreadingHTTPServer):
    """Serves at ``host:port`` (port 0: any free one). ``handler``: of a subclass, what answers requests."""

    daemon_threads = True
    request_queue_size = 128
    handler: ClassVar[type[Handler]]

    def __init__(self, address: tuple[str, int], protection: Protection | None = None) -> None:
        """Raises OSError where the address cannot be bound."""
        self.protection = protection
        self.connections = Connections()
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
            self.handler(request, client_address, self, connection)
            return
        with config.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as wrapped:
            # The socket below is taken over, and an empty one is left.
            connection.handle = wrapped
            wrapped.do_handshake()
            if config.sans and not tls.has_name(wrapped, config.sans):
                logger.debug("%s has none of the client_allowed_sans", client_address)
                return
            self.handler(wrapped, client_address, self, connection)

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


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of a connection; a subclass has ``do_GET`` and its like."""

    server: HttpServer
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
        self, request: Any, client_address: Any, server: HttpServer, connection_state: Connection
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

    def _body(self, most: int, refused: Callable[[], None] = lambda: None) -> bytes | None:
        """Return the body of a request; None where it was refused: it has no length, or more than ``most`` bytes.

        ``refused``: called before the answer.
        """
        length = self._length()
        if length is None or "Transfer-Encoding" in self.headers:
            refused()
            self._text(HTTPStatus.LENGTH_REQUIRED, "Expected a body with a Content-Length.")
            return None
        if length > most:
            refused()
            self._text(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body of more than {most >> 10} KiB.")
            self._discard()
            return None
        self._state.enter(Phase.REQUEST)
        body = self.rfile.read(length)
        self._state.enter(Phase.ANSWER)
        return body if len(body) == length else None

    def _length(self) -> int | None:
        """Return the length of the body; None where it has none, or two."""
        lengths = self.headers.get_all("Content-Length", [])
        # Python refuses to read numbers of thousands of digits.
        return int(lengths[0][:20]) if len(lengths) == 1 and re.fullmatch("[0-9]+", lengths[0]) else None

    def _discard(self) -> None:
        """Read what was refused, within limits: a sender that still writes would not see the answer."""
        left = min(self._length() or 0, _MOST_DISCARDED)
        self._state.enter(Phase.REQUEST)
        while left > 0 and (part := self.rfile.read(min(left, 1 << 16))):
            left -= len(part)

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


def normal_path(target: str) -> str:
    """Return the path of a request target: decoded, without ``//``, ``/./`` and a slash at its end."""
    try:
        path = unquote(urlsplit(target).path)
    except ValueError:
        return ""
    return "/" + posixpath.normpath(f"/{path}").lstrip("/")
