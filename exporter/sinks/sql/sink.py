"""Rows of a query as records, read by a cursor column that most new rows raise."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, ClassVar, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from exporter.sinks.lookback import Lookback
from exporter.sinks.sink import Batch, LogSink, Sample, SinkError
from exporter.sinks.sql.databases import Database, Key, Kind, Page, QueryError, open_database
from mlslo.monitor import Monitor
from mlslo.monitor import SqlSink as SqlSettings
from mlslo.yamlfile import Duration, Location

_AT = "at"
_DAY = 86_400_000_000
_LOOKBACK: dict[Kind, int] = {"time": 600_000_000, "date": _DAY, "number": 10_000}
# Rows of a page: until one was read, and at most.
_FIRST_ROWS, _MOST_ROWS = 1_000, 100_000
_WANTED = 8 << 20
# A transaction does not last longer, so that the server can clean up behind it.
_LONGEST_READ = 60.0
_UNPLACED_AGAIN = 3600.0
# What the hash of a row is moved by for each row before it that has the same cursor and identity.
_REPEATED = np.uint64(0x9E3779B97F4A7C15)


class Position(NamedTuple):
    """What the state is of. ``unplaced``: rows without a cursor."""

    cursor: str
    kind: Kind
    unplaced: int = 0

    @classmethod
    def of(cls, text: str) -> Position:
        """Read a committed position. Raises ValueError."""
        try:
            position = cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(f"a position of another shape: {error}") from None
        return position


class SqlSink(LogSink):
    """Reads rows in the order of the cursor, and again those within the lookback: what is not known there came late.

    A row is known by its cursor value and its id or, without one, by all that is in it.
    """

    REASONS = ("missing_cursor",)
    LAG_UNIT: ClassVar[Literal["bytes", "records"]] = "records"

    def __init__(self, monitor: Monitor, settings: SqlSettings, positions: Mapping[str, str]) -> None:
        """Raises ValueError where ``positions`` are none of this sink's."""
        self._monitor = monitor
        self._settings = settings
        self._position: Position | None = None
        if positions:
            rest = dict(positions)
            self._position = Position.of(rest.pop(_AT, "{}"))
            self._seen = Lookback(rest)
        else:
            self._seen = Lookback({})
        self._rows = _FIRST_ROWS
        self._count_unplaced = -math.inf
        self._until = math.inf
        self._span = 0
        self._now = 0

    @classmethod
    def open(cls, monitor: Monitor, settings: SqlSettings, positions: Mapping[str, str]) -> SqlSink:
        return cls(monitor, settings, positions)

    def close(self) -> None:
        """Release nothing: no connection is held between cycles."""

    def lag(self) -> None:
        """Return None: to count what is not read costs as much as to read it."""

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        """Yield the rows of one snapshot that are new; where ``final``, of further ones until there is nothing new.

        A read that takes over a minute ends, and the next call goes on. Raises SinkError.
        """
        try:
            while True:
                self._until = time.monotonic() + _LONGEST_READ
                with closing(open_database(self._monitor, self._settings)) as database:
                    yield from self._read(database)
                if not final or time.monotonic() < self._until:
                    return
        except QueryError as error:
            raise self._placed(error) from None

    def sample(self, number: int) -> Sample:
        """Return the first rows in the order of the cursor."""
        try:
            with closing(open_database(self._monitor, self._settings)) as database:
                lines = [line for line in database.page(number, None, None).lines if line]
        except QueryError as error:
            raise self._placed(error) from None
        remark = "" if lines else "the query returns no rows"
        return Sample("".join(lines).encode(), f"the query of {self._monitor.path}", remark)

    def _read(self, database: Database) -> Iterator[Batch]:
        cursor, kind = self._settings.cursor, database.kind
        self._span = self._span_of(kind)
        unit = _DAY if kind == "date" else 1
        now = time.time_ns() // 1000 // unit * unit
        self._now = now if kind != "number" else np.iinfo(np.int64).max
        at = self._position = self._position or Position(cursor, kind)
        if (at.cursor, at.kind) != (cursor, kind):
            message = f"the state is of the cursor '{at.cursor}' ({at.kind}), not '{cursor}' ({kind})"
            raise QueryError(message, "cursor")
        self._seen.settle()
        start = None
        if self._seen.since is not None:
            # What is taken meanwhile moves both.
            since, highest = self._seen.since, self._seen.highest
            for first, last in self._unknown(database, Key(since), Key(highest, None)):
                yield from self._new(database, first, last)
            start = Key(highest + unit)
        yield from self._new(database, start, None)
        yield from self._unplaced(database)

    def _unknown(self, database: Database, start: Key, end: Key) -> Iterator[tuple[Key, Key]]:
        """Yield the first and last of unknown rows, of those that were looked at by their keys alone."""
        more = True
        while more:
            page = database.page(_MOST_ROWS, start, end, lines=False)
            repeats, hashes = _told_apart(page, start)
            found = np.flatnonzero(self._seen.unseen(hashes))
            if len(found):
                first, last = found[0], found[-1]
                yield _key(page, first), _key(page, last)
            if len(hashes):
                start = _key(page, -1, int(repeats[-1]) + 1)
            more = page.more

    def _new(self, database: Database, start: Key | None, end: Key | None) -> Iterator[Batch]:
        more = True
        while more and time.monotonic() < self._until:
            page = database.page(self._rows, start, end)
            if not len(page.cursors):
                return
            repeats, hashes = _told_apart(page, start)
            new = self._seen.unseen(hashes)
            if new.any():
                yield self._batch(page, hashes, new, repeats)
            start, more = _key(page, -1, int(repeats[-1]) + 1), page.more
            size = sum(map(len, page.lines)) / len(page.lines)
            self._rows = int(min(max(_WANTED / max(size, 1), 10), _MOST_ROWS))

    def _batch(
        self, page: Page, hashes: NDArray[np.uint64], new: NDArray[np.bool_], repeats: NDArray[np.int64]
    ) -> Batch:
        """Return the new rows of a page; by the time that another one is asked for, they are committed."""
        # Of several rows with one id and one cursor value the first counts.
        doubled = new & (repeats > 0) if self._settings.id else np.zeros(len(new), bool)
        lines = page.lines[new & ~doubled]
        positions = self._seen.take(page.cursors[new], hashes[new], span=self._span, now=self._now)
        too_long = int((lines == "").sum())
        rejected = {"duplicate": int(doubled.sum())} if doubled.any() else {}
        return Batch(memoryview("".join(lines).encode()), too_long, {_AT: self._at(), **positions}, rejected)

    def _unplaced(self, database: Database) -> Iterator[Batch]:
        """Count rows that have no cursor, once an hour: few tables find them by an index."""
        now = time.monotonic()
        if now < self._count_unplaced or now >= self._until:
            return
        self._count_unplaced = now + _UNPLACED_AGAIN
        try:
            number = database.unplaced()
        except SinkError:
            # What takes too long is not known: the rows that have one are read all the same.
            return
        at = cast(Position, self._position)
        before = at.unplaced
        if number != before:
            self._position = at._replace(unplaced=number)
            rejected = {"missing_cursor": number - before} if number > before else {}
            yield Batch(memoryview(b""), 0, {_AT: self._at()}, rejected)

    def _at(self) -> str:
        return json.dumps(cast(Position, self._position)._asdict())

    def _span_of(self, kind: Kind) -> int:
        given = self._settings.lookback
        if given is None:
            return _LOOKBACK[kind]
        if isinstance(given, Duration) == (kind == "number") and given != 0:
            wanted = "a whole number" if kind == "number" else "a duration such as 10m"
            raise QueryError(f"expected {wanted}, as the cursor is a {kind}", "lookback")
        span = int(given.seconds * 1e6) if isinstance(given, Duration) else given
        # A date stands for its whole day.
        return max(1, math.ceil(span / _DAY)) * _DAY if kind == "date" else span

    def _placed(self, error: QueryError) -> SinkError:
        """Return what was said against the query with its place in the monitor file."""
        logs = {"predictions": self._monitor.spec.predictions, "labels": self._monitor.spec.labels}
        name = next(
            (name for name, log in logs.items() if log and log.sink.sql is self._settings), "predictions"
        )
        at: Location = ("spec", name, "sink", "sql", error.key)
        document = self._monitor.document
        if error.offset is not None and document.has(at):
            return SinkError(str(document.problem_within(at, error.offset, str(error))))
        return SinkError(str(document.problem(at, str(error))))


def _told_apart(page: Page, start: Key | None) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return how many rows before each have its cursor and identity, and hashes that are of one row each."""
    repeats = np.zeros(len(page.cursors), np.int64)
    if not len(repeats):
        return repeats, page.hashes
    same = (page.cursors[1:] == page.cursors[:-1]) & (page.identities[1:] == page.identities[:-1])
    first = (page.cursors[0], page.identities[0])
    if start is not None and start.taken and first == (start.cursor, start.identity):
        repeats[0] = start.taken
    for place in np.flatnonzero(same) + 1:
        repeats[place] = repeats[place - 1] + 1
    return repeats, page.hashes + repeats.astype(np.uint64) * _REPEATED


def _key(page: Page, place: Any, taken: int = 0) -> Key:
    return Key(int(page.cursors[place]), str(page.identities[place]), taken)
