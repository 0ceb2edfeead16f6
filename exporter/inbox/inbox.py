"""One inbox: events as lines of JSON in a SQLite file, from when they are acknowledged until they are counted."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

MOST_REMEMBERED = 2_000_000
"""Ids of events that are remembered, the newest: 33 bytes each, 66 MB of the file."""

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
# More than a transaction adds; a delete of many large ones would have senders wait.
_DELETED_AT_ONCE = 4
_LONGEST_LOG = 32 << 20
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
    """An inbox as its receiver has it, which alone writes to it.

    ``identity``: tells it from another inbox that has its place later.
    """

    def __init__(self, path: Path, *, remembered: int = MOST_REMEMBERED) -> None:
        """Open or make the inbox at ``path``. Raises InboxError."""
        self.path = path
        self._remembered = remembered
        self._lock: int | None = None
        self._noted: tuple[int, int] | None = None
        self._counted = 0
        self._waiting = 0
        try:
            # It holds whole records, which the rest of the state does not.
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE, check_same_thread=False)
        except (sqlite3.Error, OSError) as error:
            raise InboxError(f"{path}: {error}") from None
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            # What is committed outlasts a loss of power.
            self._db.execute("PRAGMA synchronous = FULL")
            # Freed pages need not be cleared, which Debian's SQLite does by default.
            self._db.execute("PRAGMA secure_delete = OFF")
            self._db.execute("PRAGMA cache_size = -8192")
            # In the middle of a commit it would take ten times as long as that.
            self._db.execute("PRAGMA wal_autocheckpoint = 0")
            self.identity = self._prepared()
            self._waiting = self._number("SELECT coalesce(sum(size), 0) FROM events")
        except sqlite3.Error as error:
            self._db.close()
            raise InboxError(f"{path}: {error}") from error

    def close(self) -> None:
        """Release the file, and the lock where it is held."""
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def hold(self) -> bool:
        """Become its one receiver, until ``close`` or the end of the process; False where another one is.

        Raises InboxError where its lock cannot be opened.
        """
        try:
            descriptor = os.open(lock_path(self.path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise InboxError(f"{lock_path(self.path)}: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def append(self, requests: Sequence[Request], counts: Mapping[str, int] | None = None) -> list[Taken]:
        """Take several requests in one transaction, which is durable on return; ``counts`` are added to the totals.

        Some of what its reader has counted is deleted on the way. Raises InboxError where it could not be written; then
        nothing has changed.
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
                deleted = self._delete()
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
            raise InboxError(f"{self.path}: {error}") from error
        self._waiting += sum(map(len, rows)) - deleted
        return taken

    def waiting(self) -> int:
        """Return the bytes of events that are not counted yet, or not deleted yet."""
        return self._waiting

    def has_counted(self) -> bool:
        """Return whether something is here that its reader has counted."""
        self._look()
        return self._number("SELECT EXISTS (SELECT 1 FROM events WHERE number <= ?)", self._counted) > 0

    def checkpoint_due(self) -> bool:
        """Return whether the write-ahead log has grown so long that it should be copied into the file."""
        try:
            return self.path.with_name(f"{self.path.name}-wal").stat().st_size > _LONGEST_LOG
        except OSError:
            return False

    def finish_checkpoint(self) -> None:
        """Copy what ``checkpoint`` left, and begin the log anew; nothing happens where somebody reads just now."""
        with explained(self.path):
            self._db.execute("PRAGMA busy_timeout = 0")
            try:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._db.execute(f"PRAGMA busy_timeout = {int(_PATIENCE * 1000)}")

    def _look(self) -> None:
        """Look how far its reader has counted."""
        try:
            status = note_path(self.path).stat()
        except OSError:
            return
        noted = status.st_ino, status.st_mtime_ns
        if noted != self._noted:
            self._noted = noted
            with suppress(OSError, ValueError):
                identity, _, number = note_path(self.path).read_text().partition(" ")
                if identity == self.identity:
                    self._counted = int(number)

    def _delete(self) -> int:
        """Delete a few rows that are counted, in a transaction; return their bytes."""
        self._look()
        found = self._db.execute(
            "SELECT number, size FROM events WHERE number <= ? ORDER BY number LIMIT ?",
            (self._counted, _DELETED_AT_ONCE),
        ).fetchall()
        total = until = 0
        for number, size in found:
            total, until = total + size, number
            if total > _LARGEST_ROW:
                break
        if found:
            self._db.execute("DELETE FROM events WHERE number <= ?", (until,))
        return total

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
            self._db.execute(
                "DELETE FROM keys WHERE key IN (SELECT key FROM arrivals WHERE number <= ?)", (until,)
            )
            self._db.execute("DELETE FROM arrivals WHERE number <= ?", (until,))

    def _number(self, query: str, *parameters: int) -> int:
        with explained(self.path):
            return int(self._db.execute(query, parameters).fetchone()[0])


def set_aside(path: Path) -> Path:
    """Rename a damaged inbox, and what belongs to it, and return its new path. Nothing is deleted."""
    aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def checkpoint(path: Path) -> None:
    """Copy most of an inbox's write-ahead log into the file, while others write to it. Raises InboxError."""
    with (
        explained(path),
        closing(sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE)) as connection,
    ):
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def lock_path(path: Path) -> Path:
    """Return the file whose lock the receiver has."""
    return path.with_name(path.name + ".lock")


def note_path(path: Path) -> Path:
    """Return the file in which the reader notes how far it has counted."""
    return path.with_name(path.name + ".counted")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise InboxError, which names the file, for errors of SQLite."""
    try:
        yield
    except sqlite3.Error as error:
        raise InboxError(f"{path}: {error}") from error
