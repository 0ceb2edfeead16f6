"""One inbox: events as lines of JSON in a SQLite file, from when they are acknowledged until they are counted."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

MOST_REMEMBERED = 2_000_000
"""Ids of events that are remembered, the newest; 28 bytes each or less than 60 MB."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS identity (text TEXT)",
    # A row holds the lines of many requests. AUTOINCREMENT: a number that was read never comes again.
    "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER, lines BLOB)",
    "CREATE TABLE IF NOT EXISTS keys (key INTEGER PRIMARY KEY)",
    # The same keys as they came: what is oldest is forgotten first.
    "CREATE TABLE IF NOT EXISTS arrivals (number INTEGER PRIMARY KEY AUTOINCREMENT, key INTEGER)",
    "CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, total INTEGER)",
)
_LARGEST_ROW = 1 << 20
_DELETED_AT_ONCE = 2 << 20
_PATIENCE = 5.0


class InboxError(Exception):
    """An inbox that cannot be used now; its text says why."""


class Event(NamedTuple):
    """One record as a line of JSON, without its newline. ``key``: of its id, None where it has none."""

    line: bytes
    key: int | None = None

    @staticmethod
    def key_of(*parts: str | bytes) -> int:
        """Return 64 bits of what identifies an event."""
        digest = blake2b(digest_size=8)
        for part in parts:
            content = part.encode() if isinstance(part, str) else part
            digest.update(len(content).to_bytes(8, "big") + content)
        return int.from_bytes(digest.digest(), "big", signed=True)


class Request(NamedTuple):
    """Events that are taken together or not at all. ``key``: of the whole, None where its sender gives none."""

    events: Sequence[Event]
    key: int | None = None


class Taken(NamedTuple):
    """Events of a request that are new, and those that came before."""

    accepted: int
    repeated: int


class Inbox:
    """One process appends to it and another one reads; both may open it at any time.

    ``identity``: tells it from another inbox that has its place later.
    """

    def __init__(self, path: Path, *, durable: bool = True, remembered: int = MOST_REMEMBERED) -> None:
        """Open or make the inbox at ``path``. ``durable``: commits outlast a loss of power.

        Raises InboxError.
        """
        self.path = path
        self._remembered = remembered
        self._lock: int | None = None
        self._waiting: int | None = None
        self._changes = -1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE, check_same_thread=False)
        except (sqlite3.Error, OSError) as error:
            raise InboxError(f"{path}: {error}") from None
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            # Freed pages need not be cleared, which Debian's SQLite does by default.
            self._db.execute("PRAGMA secure_delete = OFF")
            self._db.execute("PRAGMA cache_size = -8192")
            self._db.execute("PRAGMA journal_size_limit = 16777216")
            self.identity = self._prepared()
        except sqlite3.Error as error:
            self._db.close()
            raise InboxError(f"{path}: {error}") from error

    def close(self) -> None:
        """Release the file, and the lock where it is held."""
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # What the receiver does.

    def hold(self) -> bool:
        """Become its one receiver, until ``close`` or the end of the process; False where another one is."""
        descriptor = os.open(_lock_path(self.path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def append(self, requests: Sequence[Request], counts: Mapping[str, int] | None = None) -> list[Taken]:
        """Take several requests in one transaction, which is durable on return; ``counts`` are added to the totals.

        Raises InboxError where it could not be written; then nothing has changed.
        """
        taken = []
        rows: list[bytearray] = [bytearray()]
        arrived: list[tuple[int]] = []
        total = Counter(counts or {})
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for request in requests:
                    events = request.events if self._is_new(request.key, arrived) else ()
                    new = [event for event in events if self._is_new(event.key, arrived)]
                    for event in new:
                        rows[-1] += event.line + b"\n"
                    if len(rows[-1]) >= _LARGEST_ROW:
                        rows.append(bytearray())
                    taken.append(Taken(len(new), len(request.events) - len(new)))
                    total.update(accepted=taken[-1].accepted, repeated=taken[-1].repeated)
                inserted = [(len(row), row) for row in rows if row]
                self._db.executemany("INSERT INTO events (size, lines) VALUES (?, ?)", inserted)
                self._db.executemany("INSERT INTO arrivals (key) VALUES (?)", arrived)
                if arrived:
                    self._forget()
                self._db.executemany(
                    "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET total = total + excluded.total",
                    [(name, number) for name, number in total.items() if number],
                )
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk has SQLite roll back by itself.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            self._waiting = None
            raise InboxError(f"{self.path}: {error}") from error
        if self._waiting is not None:
            self._waiting += sum(len(row) for row in rows)
        return taken

    def waiting(self) -> int:
        """Return the bytes of events that are not counted yet. Cheap: asked of the file where its reader has changed it."""
        try:
            changes = int(self._db.execute("PRAGMA data_version").fetchone()[0])
            if self._waiting is None or changes != self._changes:
                self._waiting = self.unread(0)
                self._changes = changes
        except sqlite3.Error as error:
            raise InboxError(f"{self.path}: {error}") from error
        return self._waiting

    # What the sink does.

    def is_received(self) -> bool:
        """Return whether some process receives events for it."""
        try:
            descriptor = os.open(_lock_path(self.path), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def last(self) -> int:
        """Return the number of the newest row of events; 0 where there was none."""
        return self._number("SELECT coalesce(max(number), 0) FROM events")

    def rows(self, after: int, until: int) -> Iterator[tuple[int, bytes]]:
        """Yield number and lines of the rows ``after`` one ``until`` another, which may be deleted meanwhile."""
        with _explained(self.path):
            while True:
                row = self._db.execute(
                    "SELECT number, lines FROM events WHERE number > ? AND number <= ? ORDER BY number LIMIT 1",
                    (after, until),
                ).fetchone()
                if row is None:
                    return
                after = row[0]
                yield after, row[1]

    def unread(self, after: int) -> int:
        """Return the bytes of the rows behind ``after``."""
        return self._number("SELECT coalesce(sum(size), 0) FROM events WHERE number > ?", after)

    def delete(self, until: int) -> None:
        """Delete the rows up to ``until``, a few at a time: the receiver must not wait long."""
        with _explained(self.path):
            while True:
                sizes = self._db.execute(
                    "SELECT number, size FROM events WHERE number <= ? ORDER BY number LIMIT 1000", (until,)
                ).fetchall()
                if not sizes:
                    return
                total, last = 0, sizes[0][0]
                for number, size in sizes:
                    total += size
                    if total > _DELETED_AT_ONCE:
                        break
                    last = number
                self._db.execute("DELETE FROM events WHERE number <= ?", (last,))

    def counts(self) -> dict[str, int]:
        """Return totals since the inbox was made, by name: accepted, repeated, and reasons of refusals."""
        with _explained(self.path):
            return dict(self._db.execute("SELECT name, total FROM counts").fetchall())

    def _prepared(self) -> str:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for statement in _SCHEMA:
                self._db.execute(statement)
            row = self._db.execute("SELECT text FROM identity").fetchone()
            if row is None:
                row = (uuid.uuid4().hex,)
                self._db.execute("INSERT INTO identity VALUES (?)", row)
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return str(row[0])

    def _is_new(self, key: int | None, arrived: list[tuple[int]]) -> bool:
        """Remember ``key``; return False where it was."""
        if key is None:
            return True
        if self._db.execute("INSERT OR IGNORE INTO keys VALUES (?)", (key,)).rowcount:
            arrived.append((key,))
            return True
        return False

    def _forget(self) -> None:
        """Forget the keys that came first, past the limit."""
        until = self._number("SELECT max(number) FROM arrivals") - self._remembered
        if until > 0:
            self._db.execute("DELETE FROM keys WHERE key IN (SELECT key FROM arrivals WHERE number <= ?)", (until,))
            self._db.execute("DELETE FROM arrivals WHERE number <= ?", (until,))

    def _number(self, query: str, *parameters: int) -> int:
        with _explained(self.path):
            return int(self._db.execute(query, parameters).fetchone()[0])


def set_aside(path: Path) -> Path:
    """Rename a damaged inbox, and what belongs to it, and return its new path. Nothing is deleted."""
    aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise InboxError(f"{path}: {error}") from error
