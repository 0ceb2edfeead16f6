"""Record of all decisions: one SQLite file that is only appended to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from threading import RLock
from typing import Any

from exporter.state.connection import StoreError, explained

FILE = "actions.sqlite"


@dataclass(frozen=True)
class Entry:
    """One decision, or what happened to an alert.

    ``time`` and ``started`` (the alert's startsAt): Unix seconds. ``kind``: firing, resolved; of an action: attempt
    (the intent, before the call), acted, dry_run, failed, refused, waiting, approved, expired; of people: silenced,
    acknowledged. ``who``: the person, or the number of the attempt. ``detail``: a JSON object.
    An episode of an alert is one (``fingerprint``, ``started``).
    """

    time: float
    kind: str
    alert: str
    model: str
    fingerprint: str
    started: float
    who: str = ""
    action: str = ""
    detail: str = "{}"


_COLUMNS = tuple(field.name for field in fields(Entry))
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS entries (time REAL NOT NULL, kind TEXT NOT NULL, alert TEXT NOT NULL, "
    "model TEXT NOT NULL, fingerprint TEXT NOT NULL, started REAL NOT NULL, who TEXT NOT NULL, "
    "action TEXT NOT NULL, detail TEXT NOT NULL, "
    "UNIQUE (fingerprint, started, action, kind, who))",
    "CREATE INDEX IF NOT EXISTS by_action ON entries (action, time)",
    "CREATE INDEX IF NOT EXISTS by_kind ON entries (kind, time)",
)


class Record:
    """Entries in ``<state-dir>/actions.sqlite``, each on the disk before ``append`` returns. Threads may share it."""

    def __init__(self, state_dir: Path) -> None:
        """Raises StoreError where the file cannot be used."""
        self._path = state_dir / FILE
        self._lock = RLock()
        try:
            state_dir.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise explained(error, self._path) from None
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            for statement in _SCHEMA:
                self._db.execute(statement)
        except sqlite3.Error as error:
            self._db.close()
            raise explained(error, self._path) from None

    def append(self, entry: Entry) -> bool:
        """Return False where its (kind, fingerprint, started, action, who) is there already. Raises StoreError."""
        places = ", ".join("?" * len(_COLUMNS))
        statement = f"INSERT OR IGNORE INTO entries ({', '.join(_COLUMNS)}) VALUES ({places})"
        with self._lock, self._explaining():
            return self._db.execute(statement, astuple(entry)).rowcount == 1

    @contextmanager
    def together(self) -> Iterator[None]:
        """Commit the entries that are appended within at once, or none of them. Raises StoreError."""
        with self._lock:
            with self._explaining():
                self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                with self._explaining():
                    self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def entries(self, since: float = 0.0, **equal: Any) -> Iterator[Entry]:
        """Entries from ``since`` (Unix seconds) on, in the order in which they were appended.

        ``equal``: columns and what they are, as ``kind="acted"``. Raises StoreError.
        """
        where = "".join(f" AND {column} = ?" for column in equal)
        # With "time >= ?" in every query SQLite would search all entries of a kind, not those of an episode.
        bound = "time >= ?" if since else "? = 0"
        query = f"SELECT {', '.join(_COLUMNS)} FROM entries WHERE {bound}{where} ORDER BY rowid"
        with self._lock, self._explaining():
            rows = self._db.execute(query, (since, *equal.values())).fetchall()
        return (Entry(*row) for row in rows)

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many entries each (action, kind) has. Raises StoreError."""
        query = "SELECT action, kind, COUNT(*) FROM entries WHERE action != '' GROUP BY action, kind"
        with self._lock, self._explaining():
            return {(action, kind): number for action, kind, number in self._db.execute(query)}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explained(error, self._path) from None


__all__ = ["FILE", "Entry", "Record", "StoreError"]
