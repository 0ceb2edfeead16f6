"""Logs of each kind of sink, as the tests and the benchmarks have them: a real server, or a stand-in that says so.

A kind joins by a class in a file of its own and a line in ``SERVERS``. The shared suite
(``tests/exporter/sinks/shared``) then runs over it, and ``benchmarks.sinks`` can.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

__all__ = ["SERVERS", "SinkServer", "UnavailableError", "server_class"]

SERVERS = {
    "file": "tests.support.sinks.file:FileServer",
    "kafka": "tests.support.sinks.kafka:KafkaServer",
    "loki": "tests.support.sinks.loki:LokiServer",
    "objects": "tests.support.sinks.objects:ObjectsServer",
    "opensearch": "tests.support.sinks.opensearch:OpenSearchServer",
    "postgresql": "tests.support.sinks.sql:PostgresServer",
    "push": "tests.support.sinks.push:PushServer",
    "sql-parquet": "tests.support.sinks.sql:ParquetServer",
}
"""Name -> module and class. They are imported when they are used: some need an extra."""


class UnavailableError(Exception):
    """A program or a package that a server needs is not there; the text says which."""


class SinkServer(ABC):
    """A log of one kind, its server, and what happens to both.

    ``__init__`` starts what is needed, in a folder that is its own; it raises UnavailableError where something is not
    there. ``close`` stops it.
    """

    name: ClassVar[str]

    ordered: ClassVar[bool] = True
    """True where records come in the order of ``append``."""

    repeats: ClassVar[bool] = False
    """True where a record that is appended twice is read once: the log or the sink knows it again."""

    longest: ClassVar[int] = 4 << 20
    """Bytes of the longest record that the log takes."""

    most: ClassVar[int] = 1 << 40
    """Bytes that the log keeps until they are read, at least."""

    patience: ClassVar[float] = 20.0
    """Seconds after which what was appended is read, and after which a read that fails has failed."""

    secret: ClassVar[str] = ""
    """Secret that the exporter sends, right or wrong: no message may have it."""

    @abstractmethod
    def __init__(self, folder: Path) -> None: ...

    @abstractmethod
    def sink(self) -> dict[str, Any]:
        """Return the monitor file's ``sink:``, with absolute paths."""

    @abstractmethod
    def append(self, records: Sequence[bytes], *, late: bool = False) -> None:
        """Append JSON objects, one each, without newlines; they are durable when it returns.

        ``late``: where late ones arrive, behind those already read: an older object, an older value of the cursor.
        """

    def refuse(self) -> None:
        """Have the server refuse the exporter's credentials, or the exporter send wrong ones."""
        raise NotImplementedError

    def accept(self) -> None:
        """Let the exporter in again."""
        raise NotImplementedError

    def stop(self) -> None:
        """Take the server away; its content stays."""
        raise NotImplementedError

    def start(self) -> None:
        """Bring it back, at the same address."""
        raise NotImplementedError

    def begin(self) -> None:
        """Go on with another log, which is empty: ``sink`` names it from now on.

        Where this is not implemented, the suite starts another server for each test.
        """
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return variables of the exporter's process."""
        return {}

    def state(self, folder: Path) -> Path:
        """Return where the exporter has its state file: in ``folder``, unless the log is tied to a place."""
        return folder / "state" / "m.sqlite"

    @abstractmethod
    def close(self) -> None:
        """Stop the server, and release what it holds."""


def server_class(name: str) -> type[SinkServer]:
    """Return the class of a kind. Raises UnavailableError where a package that it imports is missing."""
    module, _, attribute = SERVERS[name].partition(":")
    try:
        found: type[SinkServer] = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise UnavailableError(f"{name}: {error}") from None
    return found
