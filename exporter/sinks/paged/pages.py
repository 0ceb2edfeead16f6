"""Logs that a server gives in pages, in the order of a time: each page begins where the last one ended."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple

import numpy as np

from exporter.sinks.content import Block
from exporter.sinks.lookback import Lookback
from exporter.sinks.paged.http_api import LARGEST_ANSWER, HttpApi, TooLargeError
from exporter.sinks.records import JsonLines, batch_of
from exporter.sinks.sink import Batch, LogSink, Sample, SinkError

_MOST = 8 << 20


class Entry(NamedTuple):
    """One record. ``cursor``: its time, as a whole number. ``identity``: what tells it from others of that time.

    ``tie``: its place among them, where the server knows one.
    """

    cursor: int
    identity: bytes
    line: bytes
    tie: str | None = None


class PagedSink(LogSink):
    """Asks for what is not older than the newest record that was read, less a lookback, and drops what it knows.

    A page begins with the time that the last one ended with, that time included: what of it was read is known. So a
    server needs no order among records of one time, and records of one time must fit into a page.
    """

    def __init__(self, positions: Mapping[str, str], unit: int, lookback: float, page_size: int) -> None:
        """``unit``: of the cursor, how many are a second. ``lookback``: in seconds.

        Raises ValueError where ``positions`` are of another kind of sink.
        """
        self._seen = Lookback(positions)
        self._unit = unit
        self._span = int(lookback * unit)
        self._page_size = page_size

    def close(self) -> None:
        """Release nothing: a connection is for one request."""

    @abstractmethod
    def connect(self) -> HttpApi:
        """Return the server with the credentials of now. Raises SinkError."""

    @abstractmethod
    def pages(self, api: HttpApi, start: int | None) -> Iterator[list[Entry]]:
        """Yield what has a cursor of ``start`` or more, in its order; from the beginning where that is None.

        Raises SinkError.
        """

    def batches(self, *, final: bool = False) -> Iterator[Batch]:  # noqa: ARG002 - a server's records are whole
        read: list[Entry] = []
        size = 0
        failure: SinkError | None = None
        try:
            for entries in self.pages(self.connect(), self._seen.since):
                read += entries
                size += sum(len(entry.line) for entry in entries)
                if size >= _MOST:
                    yield from self._new(read)
                    read, size = [], 0
        except SinkError as error:
            # What was read before is not lost.
            failure = error
        yield from self._new(read)
        if failure is not None:
            raise failure

    def lag(self) -> None:
        """Return None: only reading would tell."""

    def sample(self, number: int) -> Sample:
        entries = [entry for page in islice(self.pages(self.connect(), None), 100) for entry in page[:number]]
        lines = b"".join(map(_line, entries[:number]))
        return Sample(lines, self.source, "" if lines else "no records yet")

    @property
    @abstractmethod
    def source(self) -> str:
        """Source of the records, for a person."""

    def fetch(self, page: Callable[[int], list[Entry]]) -> tuple[list[Entry], bool]:
        """Return a page, and whether there may be more behind it. ``page``: asks for so many entries at most.

        Where they are too many bytes, fewer are asked for from then on. Raises SinkError.
        """
        while True:
            try:
                entries = page(self._page_size)
            except TooLargeError:
                if self._page_size <= 2:
                    raise SinkError(
                        f"{self.source}: two records have more than {LARGEST_ANSWER} bytes"
                    ) from None
                self._page_size = max(2, self._page_size // 8)
                continue
            full = len(entries) >= self._page_size
            if full and entries[0].cursor == entries[-1].cursor and entries[-1].tie is None:
                raise SinkError(
                    f"{self.source}: more than {self._page_size} records have the same time, {entries[0].cursor}: what "
                    "is behind them cannot be asked for; see docs/sinks"
                )
            return entries, full

    def _new(self, entries: Sequence[Entry]) -> Iterator[Batch]:
        """Yield what is not known of ``entries``, if anything."""
        hashes = np.frombuffer(b"".join(map(_hash, entries)), np.uint64)
        first = np.zeros(len(hashes), bool)
        first[np.unique(hashes, return_index=True)[1]] = True
        new = np.flatnonzero(first & self._seen.unseen(hashes)).tolist()
        if not new:
            return
        cursors = np.array([entries[place].cursor for place in new], np.int64)
        now = time.time_ns() * self._unit // 10**9
        positions = self._seen.take(cursors, hashes[new], span=self._span, now=now)
        self._seen.settle()
        content = bytearray().join(_line(entries[place]) for place in new)
        cut = JsonLines().cut(Block(content, 0, len(content)), full=True, final=True, quiet=True)
        yield batch_of(cut, positions)


def _hash(entry: Entry) -> bytes:
    return blake2b(b"%d " % entry.cursor + entry.identity, digest_size=8).digest()


def _line(entry: Entry) -> bytes:
    # A line break in JSON is white space, or it is no JSON.
    return entry.line.replace(b"\n", b" ") + b"\n"
