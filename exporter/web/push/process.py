"""The receiver's process: python -m exporter.web.push.process, started by ``Receiver``.

Each line of standard input is a Configuration; its end is the end of the process that started this one. What is to be
logged goes to standard output, a Message a line, for that process to log.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from exporter.daemon.logs import RateLimit
from exporter.web.push.connection import Connection, Connections
from exporter.web.push.endpoint import Endpoint, Route
from exporter.web.push.tokens import TokenError, Tokens
from exporter.web.push.writer import Writer

if TYPE_CHECKING:
    from exporter.web.config import WebConfig
    from exporter.web.protection import Protection

READY = "ready"
_DRAINED_WITHIN = 3.0
_CERTIFICATES_LOOKED_AT_EVERY = 10.0


class Log(msgspec.Struct):
    """A push sink: the paths of its endpoint, its ``inbox``, the most bytes that wait there."""

    path: str
    otlp_path: str
    inbox: str
    most_bytes: int


class Configuration(msgspec.Struct):
    """Configuration of the receiver. Only ``logs`` may differ from that of the first line.

    ``socket``: a descriptor that listens.
    """

    socket: int
    logs: list[Log]
    token_file: str | None = None
    web_config: str | None = None


class Message(msgspec.Struct):
    """A line of the log; ``READY`` once the first configuration is in force.

    ``suppressed``: so many like it were left out before it.
    """

    level: int
    text: str
    suppressed: int = 0


class ConfigurationError(Exception):
    """A web configuration that cannot be used; its text says why."""


class _ToParent(logging.Handler):
    """Hands records to the process that started this one, whose format they then have."""

    def emit(self, record: logging.LogRecord) -> None:
        message = Message(record.levelno, self.format(record), getattr(record, "suppressed", 0))
        with suppress(OSError, ValueError):
            sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
            sys.stdout.buffer.flush()


class _Receiver:
    def __init__(self, configuration: Configuration) -> None:
        tokens = Tokens(Path(configuration.token_file)) if configuration.token_file else None
        self._endpoint = Endpoint(tokens)
        self._connections = Connections(self._endpoint)
        self._socket = socket.socket(fileno=configuration.socket)
        self._socket.setblocking(False)
        self._protection = _protection(configuration.web_config)
        self._config: WebConfig | None = None
        self._writers: dict[str, Writer] = {}
        self._server: asyncio.Server | None = None
        self._ended = asyncio.Event()

    def receive(self, logs: Sequence[Log]) -> None:
        """Receive for ``logs`` from now on, and no others."""
        loop = asyncio.get_running_loop()
        inboxes = {log.inbox for log in logs}
        gone = [self._writers.pop(inbox) for inbox in self._writers.keys() - inboxes]
        routes = {}
        for log in logs:
            writer = self._writers.get(log.inbox)
            if writer is None:
                writer = self._writers[log.inbox] = Writer(Path(log.inbox), log.most_bytes, loop)
            writer.most_bytes = log.most_bytes
            routes[log.path] = Route(writer, otlp=False)
            routes[log.otlp_path] = Route(writer, otlp=True)
        self._endpoint.routes = routes
        for writer in gone:
            writer.close()

    async def listen(self) -> None:
        """Accept connections, in the way that the web configuration asks for now."""
        before = self._server
        config = self._protection.current() if self._protection is not None else None
        certificates, allowed = (config.tls, config.sans) if config is not None else (None, frozenset[str]())
        # Of a copy: a server closes what it listens on when it is replaced.
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._connections, allowed),
            sock=self._socket.dup(),
            ssl=certificates,
            ssl_handshake_timeout=None if certificates is None else 10.0,
            backlog=512,
        )
        self._config = config
        if before is not None:
            before.close()

    async def run(self) -> None:
        """Look after time-outs and certificates, until ``end``."""
        sweeping = asyncio.create_task(self._connections.sweep())
        while not self._ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _CERTIFICATES_LOOKED_AT_EVERY)
            # What is wrong, or takes TLS away, changes nothing: that is said by the configuration itself.
            if self._protection is not None and self._protection.current() is not self._config:
                await self.listen()
        sweeping.cancel()
        assert self._server is not None
        self._server.close()
        self._socket.close()
        await self._connections.drain(_DRAINED_WITHIN)
        for writer in self._writers.values():
            writer.close()

    def end(self) -> None:
        """Answer what has come, and end."""
        self._ended.set()


def _protection(web_config: str | None) -> Protection | None:
    if web_config is None:
        return None
    # It imports what reads YAML, which is not needed elsewhere.
    from exporter.web.protection import Protection
    from mlslo.yamlfile import InputError

    try:
        return Protection(Path(web_config))
    except InputError as error:
        raise ConfigurationError(str(error)) from None


async def _main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=16 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    decode = msgspec.json.Decoder(Configuration).decode
    configuration = decode(await reader.readline())
    receiver = _Receiver(configuration)
    receiver.receive(configuration.logs)
    await receiver.listen()
    logging.info(READY)
    running = asyncio.create_task(receiver.run())
    # All that is there so far stays: collections need not look at it.
    gc.freeze()
    while line := await reader.readline():
        receiver.receive(decode(line).logs)
    receiver.end()
    await running


def main() -> None:
    """Receive until standard input ends."""
    # Inherited, blocked, from a process that delivers them to itself; its end is the end of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    handler = _ToParent()
    # Here the same message is known by its template; over there it is a text among others.
    handler.addFilter(RateLimit())
    logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(message)s")
    try:
        asyncio.run(_main())
    except (TokenError, ConfigurationError, OSError) as error:
        logging.error("push: %s", error)  # noqa: TRY400 - said in one line
        sys.exit(1)


if __name__ == "__main__":
    main()
