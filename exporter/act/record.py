"""Record of all decisions: one SQLite file, which is only appended to while the program runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from exporter.state.connection import StoreError, explained

FILE = "actions.sqlite"


class Entry(NamedTuple):
    """One decision, or what happened to an alert.

    ``time`` and ``started`` (the alert's startsAt): Unix seconds. ``kind``: firing, resolved, grouped (``who``: the key
    of PagerDuty's incident); of an action: attempt (the intent, before the call), acted, dry_run, failed, refused,
    waiting, approved, expired; of people: silenced, acknowledged. ``who``: the person, or the number of the attempt.
    ``detail``: a JSON object. An episode of an alert is one (``fingerprint``, ``started``).
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

    @property
    def episode(self) -> dict[str, Any]:
        """The columns that entries about the same episode have in common."""
        return {"fingerprint": self.fingerprint, "started": self.started}

    @property
    def details(self) -> Any:
        """``detail``, decoded."""
        return json.loads(self.detail)


_COLUMNS = ", ".join(Entry._fields)
_PLACES = ", ".join("?" for _ in Entry._fields)
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS entries (time REAL NOT NULL, kind TEXT NOT NULL, alert TEXT NOT NULL, "
    "model TEXT NOT NULL, fingerprint TEXT NOT NULL, started REAL NOT NULL, who TEXT NOT NULL, "
    "action TEXT NOT NULL, detail TEXT NOT NULL, "
    "UNIQUE (fingerprint, started, action, kind, who))",
    "CREATE INDEX IF NOT EXISTS by_action ON entries (action, time)",
    "CREATE INDEX IF NOT EXISTS by_kind ON entries (kind, time)",
    "CREATE TABLE IF NOT EXISTS forgotten (metric TEXT NOT NULL, labels TEXT NOT NULL, number INTEGER NOT NULL, "
    "PRIMARY KEY (metric, labels))",
)
_OLD = (
    "FROM entries WHERE (fingerprint, started) IN "
    "(SELECT fingerprint, started FROM entries GROUP BY fingerprint, started HAVING MAX(time) < ?)"
)

Counts = Mapping[tuple[str, ...], int]
"""Counts by the name of a metric and the values of its labels."""


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
        statement = f"INSERT OR IGNORE INTO entries ({_COLUMNS}) VALUES ({_PLACES})"
        return self._execute(statement, entry).rowcount == 1

    @contextmanager
    def together(self) -> Iterator[None]:
        """Commit the entries that are appended within at once, or none of them. Raises StoreError."""
        with self._lock:
            self._execute("BEGIN IMMEDIATE")
            try:
                yield
                self._execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def entries(self, since: float = 0.0, **equal: Any) -> Iterator[Entry]:
        """Entries from ``since`` (Unix seconds) on, in the order in which they were appended.

        ``equal``: columns and what they are, as ``kind="acted"``. Raises StoreError.
        """
        # With "time >= ?" in every query SQLite would search all entries of a kind, not those of an episode.
        where = " AND ".join(["time >= ?" if since else "? = 0", *(f"{column} = ?" for column in equal)])
        query = f"SELECT {_COLUMNS} FROM entries WHERE {where} ORDER BY rowid"
        with self._lock:
            rows = self._execute(query, (since, *equal.values())).fetchall()
        return (Entry(*row) for row in rows)

    def appended(self, after: int) -> tuple[int, list[Entry]]:
        """Return the entries after the one of number ``after``, and the number of the last. Raises StoreError."""
        with self._lock:
            rows = self._execute(
                f"SELECT rowid, {_COLUMNS} FROM entries WHERE rowid > ? ORDER BY rowid", (after,)
            ).fetchall()
        return (rows[-1][0] if rows else after), [Entry(*row) for _, *row in rows]

    def forget(self, before: float, count: Callable[[Iterator[Entry]], Counts]) -> None:
        """Remove episodes without an entry since ``before``, and keep what ``count`` returns. Raises StoreError."""
        with self.together():
            rows = self._execute(f"SELECT {_COLUMNS} {_OLD} ORDER BY rowid", (before,))
            for (metric, *labels), number in count(Entry(*row) for row in rows).items():
                values = metric, json.dumps(labels), number
                self._execute("INSERT OR REPLACE INTO forgotten VALUES (?, ?, ?)", values)
            self._execute(f"DELETE {_OLD}", (before,))

    def forgotten(self) -> Counts:
        """Return the counts of what is forgotten. Raises StoreError."""
        with self._lock:
            rows = self._execute("SELECT metric, labels, number FROM forgotten").fetchall()
        return {(metric, *json.loads(labels)): number for metric, labels, number in rows}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        with self._lock:
            try:
                return self._db.execute(statement, values)
            except sqlite3.Error as error:
                raise explained(error, self._path) from None


__all__ = ["FILE", "Entry", "Record", "StoreError"]
