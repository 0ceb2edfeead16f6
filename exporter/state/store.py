"""One SQLite file per model; what belongs together is committed together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.state.counters import Counters
from exporter.state.marks import Marks
from exporter.state.pending import Pending
from exporter.state.positions import Positions
from exporter.state.summaries import Summaries

_SCHEMA_VERSION = 1


class StoreError(Exception):
    """A state file that cannot be used; its text says why and what to do."""


class Store:
    """Positions, summaries, counters and pending predictions of one model.

    ``path``: the state file, or None for one in memory. Only one process at a time may hold a state file.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Raises StoreError where the file is held by another process, is damaged or cannot be written."""
        self._path = path
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path or ":memory:", isolation_level=None, timeout=1.0, check_same_thread=False
            )
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(self._explained(error)) from None
        self.positions = Positions(self._connection)
        self.summaries = Summaries(self._connection)
        self.counters = Counters(self._connection)
        self.marks = Marks(self._connection)
        self.pending = Pending(self._connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is committed, or none of it.

        Raises StoreError where it could not be written; then nothing has changed.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.counters.save()
                self._connection.execute("COMMIT")
                self.counters.keep()
            except BaseException:
                self.counters.restore()
                # A full disk has SQLite roll back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreError(self._explained(error)) from None

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _prepare(self) -> None:
        connection = self._connection
        # Held for good: a second exporter on the same file would count every record twice.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _SCHEMA_VERSION):
            connection.execute("ROLLBACK")
            raise StoreError(f"{self._path}: written by another version of mlslo (schema {version})")
        for part in (Positions, Summaries, Counters, Marks, Pending):
            for statement in part.SCHEMA:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        connection.execute("COMMIT")

    def _explained(self, error: Exception) -> str:
        text = str(error)
        if "locked" in text:
            text = "in use by another process; give each exporter a --state-dir of its own"
        elif "malformed" in text or "not a database" in text:
            text = f"damaged ({text}); move it away to start over from the logs"
        return f"{self._path or 'state in memory'}: {text}"
