"""Connection: HTTP/1.1 over asyncio, parsed by httptools, bounded in size and time."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict, deque
from collections.abc import Collection
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import unquote

import httptools

from exporter.web.push.answers import Answer, Call, RefusedError, malformed, wait
from exporter.web.push.body import MOST_BYTES, too_large
from exporter.web.push.endpoint import Endpoint
from exporter.web.tls import has_name

logger = logging.getLogger(__name__)

REQUEST_WITHIN = 30.0
"""A request is there this many seconds after its first byte, or it is given up."""
IDLE_FOR = 75.0
MOST_CONNECTIONS = 512
_MOST_HEAD = 64 << 10
_MOST_BODIES = 32 << 20
_MOST_DISCARDED = 64 << 20
_AFTER_ANSWER = 2.0


class Connections:
    """All connections of the receiver, those that were idle longest first, and the bytes of bodies under way."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.open: OrderedDict[Connection, None] = OrderedDict()
        self.bodies = 0
        self._date = (0, b"")

    def connected(self, connection: Connection) -> bool:
        """Add a connection; return False where there are too many that are not idle."""
        if len(self.open) >= MOST_CONNECTIONS:
            # KServe's logger opens a new one for each event that it sends over TLS, and leaves it open.
            idle = next((other for other in self.open if other.is_idle), None)
            if idle is None:
                return False
            idle.abandon()
        self.open[connection] = None
        return True

    async def sweep(self) -> None:
        """End connections whose time is over, for ever."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for connection in [item for item in self.open if item.deadline < now]:
                connection.expire()

    async def drain(self, seconds: float) -> None:
        """End idle connections, and the others once they are answered."""
        until = time.monotonic() + seconds
        for connection in list(self.open):
            connection.keep_alive = False
            if connection.is_idle:
                connection.abandon()
        while self.open and time.monotonic() < until:
            await asyncio.sleep(0.02)

    def date(self) -> bytes:
        """Return the header Date."""
        now = int(time.time())
        if now != self._date[0]:
            self._date = now, f"date: {formatdate(now, usegmt=True)}\r\n".encode()
        return self._date[1]


class Connection(asyncio.Protocol):
    """One connection; its requests are answered one after another.

    ``deadline`` (monotonic): when it is given up. A request that is refused before its body has come is answered when
    it has, so that the sender, who may read only then, sees the answer; its body is not kept.
    """

    def __init__(self, connections: Connections, allowed: Collection[str] = ()) -> None:
        """``allowed``: names, of which a client's certificate needs one; where there are none, anybody may connect."""
        self._all = connections
        self._allowed = allowed
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._method = self._path = ""
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._refusal: RefusedError | None = None
        self._has_head = False
        self._head = self._discarded = 0
        self._calls: deque[tuple[Call, RefusedError | None, bool]] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._in_message = self._ending = False
        self._writable = True
        self.keep_alive = True
        self.deadline = time.monotonic() + REQUEST_WITHIN

    @property
    def is_idle(self) -> bool:
        """True between two requests."""
        return self._serving is None and not self._in_message

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._allowed and not has_name(transport.get_extra_info("ssl_object"), self._allowed):
            self._ending = True
            transport.abort()
            return
        if not self._all.connected(self):
            self.keep_alive = False
            self._send_refusal(wait(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections", ""))
            self._end()

    def connection_lost(self, _: Exception | None) -> None:
        self._all.open.pop(self, None)
        self._release(len(self._body))
        self._body = bytearray()
        for call, _refusal, _alive in self._calls:
            self._release(len(call.body))
        self._calls.clear()
        self._ending = True

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        if self.is_idle:
            self._in_message = True
            self.deadline = time.monotonic() + REQUEST_WITHIN
        if not self._has_head:
            self._head += len(data)
        try:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._parser = httptools.HttpRequestParser(self)
                self._parser.feed_data(self._head_without_upgrade() + data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._fail(malformed("no HTTP/1.1 request"))
            return
        if not self._has_head and self._head > _MOST_HEAD:
            self._fail(
                RefusedError(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"headers of more than {_MOST_HEAD >> 10} KiB"
                )
            )
        elif self._discarded > _MOST_DISCARDED and self._refusal is not None:
            self._fail(self._refusal)

    def eof_received(self) -> bool:
        """Keep the way back open where an answer is due."""
        self.keep_alive = False
        return self._serving is not None

    def pause_writing(self) -> None:
        self._writable = False
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._writable = True
        if self._serving is None:
            self._transport.resume_reading()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._method = self._path = ""
        self._url = b""
        self._headers = {}
        self._body = bytearray()
        self._refusal = None
        self._discarded = 0
        self._in_message = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        self._has_head = True
        self._method = self._parser.get_method().decode("latin-1")
        self._path = unquote(self._url.partition(b"?")[0].decode("latin-1")).rstrip("/")
        try:
            self._all.endpoint.check(self._method, self._path, self._headers)
            length = self._headers.get("content-length", "")
            if length.isdecimal() and int(length) > MOST_BYTES:
                raise too_large()
        except RefusedError as refusal:
            self._refusal = refusal
        if self._headers.get("expect", "").lower() == "100-continue":
            if self._refusal is not None:
                self._fail(self._refusal)
            else:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._refusal is None:
            if len(self._body) + len(body) > MOST_BYTES:
                self._refusal = too_large()
            elif self._all.bodies + len(body) > _MOST_BODIES:
                self._refusal = wait(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once", "busy")
        if self._refusal is None:
            self._body += body
            self._all.bodies += len(body)
        else:
            self._release(len(self._body))
            self._body = bytearray()
            self._discarded += len(body)

    def on_message_complete(self) -> None:
        if self._ending or self._parser.should_upgrade():
            return
        self._in_message = self._has_head = False
        self._head = 0
        call = Call(self._method, self._path, self._headers, bytes(self._body))
        self._body = bytearray()
        self._calls.append((call, self._refusal, self._parser.should_keep_alive()))
        if self._serving is None:
            self.deadline = math.inf
            # What the sender does not wait for an answer to, waits.
            self._transport.pause_reading()
            self._serving = asyncio.get_running_loop().create_task(self._serve())

    # What ends it.

    def expire(self) -> None:
        """Give up a connection whose time is over."""
        if self._ending or self.is_idle:
            self._transport.abort() if self._ending else self.abandon()
        else:
            self._fail(
                RefusedError(
                    HTTPStatus.REQUEST_TIMEOUT, f"no whole request within {REQUEST_WITHIN:g} s", "timeout"
                )
            )

    def abandon(self) -> None:
        """Close it although the sender may want to use it again."""
        self._all.open.pop(self, None)
        self._ending = True
        self._transport.close()

    async def _serve(self) -> None:
        try:
            while self._calls:
                call, refusal, alive = self._calls.popleft()
                size = len(call.body)
                try:
                    if refusal is not None:
                        answer = self._all.endpoint.refused(call, refusal)
                    else:
                        answer = await self._all.endpoint.answer(call)
                except Exception:
                    logger.exception("a pushed request failed")
                    answer = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"internal error\n")
                finally:
                    self._release(size)
                self.keep_alive &= alive
                if self._transport.is_closing():
                    return
                self._send(answer)
                if not self.keep_alive:
                    self._end()
                    return
        finally:
            self._serving = None
        self.deadline = time.monotonic() + (REQUEST_WITHIN if self._in_message else IDLE_FOR)
        self._all.open.move_to_end(self)
        if self._writable:
            self._transport.resume_reading()

    def _head_without_upgrade(self) -> bytes:
        """Return the head of a request that asks for another protocol as one that does not.

        Java's client asks for HTTP/2 in this way. The parser leaves the body of such a request to that protocol.
        """
        dropped = ("connection", "upgrade", "http2-settings", "expect")
        kept = "".join(f"{name}: {value}\r\n" for name, value in self._headers.items() if name not in dropped)
        self.keep_alive = False
        return f"{self._method} {self._url.decode('latin-1')} HTTP/1.1\r\n{kept}\r\n".encode()

    def _fail(self, refusal: RefusedError) -> None:
        """Answer at once, and end: what follows cannot be understood, or does not come."""
        if self._ending:
            return
        self.keep_alive = False
        if self._serving is None:
            self._send(self._all.endpoint.refused(Call("", self._path, self._headers, b""), refusal))
        self._end()

    def _send_refusal(self, refusal: RefusedError) -> None:
        self._send(self._all.endpoint.refused(Call("", "", {}, b""), refusal))

    def _send(self, answer: Answer) -> None:
        status = answer.status
        head = [
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {answer.content_type}\r\n"
            f"content-length: {len(answer.body)}\r\n",
            *(f"{name}: {value}\r\n" for name, value in answer.headers.items()),
            "" if self.keep_alive else "connection: close\r\n",
        ]
        body = b"" if self._method == "HEAD" else answer.body
        self._transport.write("".join(head).encode("latin-1") + self._all.date() + b"\r\n" + body)

    def _end(self) -> None:
        """Close after the answer; what the sender still sends is read for a while, or it would not see the answer."""
        self._ending = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
            self.deadline = time.monotonic() + _AFTER_ANSWER
            self._transport.resume_reading()
        else:
            self._transport.close()

    def _release(self, size: int) -> None:
        self._all.bodies -= size
