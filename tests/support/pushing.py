"""Events pushed as a sender would, to a receiver in this process or to a daemon."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.inbox import InboxReader
from exporter.web.push.connection import Connection, Connections
from exporter.web.push.endpoint import Endpoint, Route
from exporter.web.push.tokens import Tokens
from exporter.web.push.writer import Writer

LINES = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answered:
    """``status``, ``headers`` (names in lower case) and ``body`` of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode().rstrip("\n")


def post(
    port: int, path: str, body: bytes, headers: Mapping[str, str] = LINES, method: str = "POST"
) -> Answered:
    """Send one request over a connection of its own."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answered(answer.status, found, answer.read())


def raw(port: int, *parts: bytes, timeout: float = 20) -> bytes:
    """Send bytes as they are; return all that is answered until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        for part in parts:
            connection.sendall(part)
        found = b""
        while more := connection.recv(65536):
            found += more
        return found


def json_lines(*records: Mapping[str, Any]) -> bytes:
    """Return records as JSON lines."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


@dataclass(frozen=True)
class Receiving:
    """A receiver in this process: its ``port``, its ``inbox``, and what it is made of."""

    port: int
    inbox: Path
    writer: Writer
    connections: Connections

    def lines(self) -> list[Any]:
        """Return the records that wait in the inbox."""
        with closing(InboxReader(self.inbox)) as reader:
            return [
                json.loads(line) for _, rows in reader.rows(0, reader.last()) for line in rows.splitlines()
            ]

    def counts(self) -> dict[str, int]:
        with closing(InboxReader(self.inbox)) as reader:
            return reader.counts()


@contextmanager
def receiving(folder: Path, *, most_bytes: int = 1 << 30, tokens: Sequence[str] = ()) -> Iterator[Receiving]:
    """Receive at ``/m`` and ``/m/v1/logs`` until the block ends. ``tokens``: lines of a token file."""
    inbox = folder / "inbox/predictions.sqlite"
    loop = asyncio.new_event_loop()
    known = None
    if tokens:
        (folder / "tokens").write_text("\n".join(tokens))
        known = Tokens(folder / "tokens")
    endpoint = Endpoint(known)
    connections = Connections(endpoint)
    writer = Writer(inbox, most_bytes, loop)
    endpoint.routes = {"/m": Route(writer, otlp=False), "/m/v1/logs": Route(writer, otlp=True)}
    server = loop.run_until_complete(loop.create_server(lambda: Connection(connections), "127.0.0.1", 0))
    sweeping = loop.create_task(connections.sweep())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield Receiving(server.sockets[0].getsockname()[1], inbox, writer, connections)
    finally:

        async def end() -> None:
            server.close()
            sweeping.cancel()
            await connections.drain(2)
            endpoint.close()

        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        writer.close()
        loop.close()
