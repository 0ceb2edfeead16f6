"""One SQLite file per model; what belongs together is committed together."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.state.connection import Connection, StoreError, explained
from exporter.state.counters import Combinations, Counters, Marks, Positions, Versions
from exporter.state.delivered import Delivered
from exporter.state.halves import Halves
from exporter.state.pending import Pending
from exporter.state.samples import Samples
from exporter.state.segments import SegmentValues
from exporter.state.summaries import Summaries

_SCHEMA_VERSION = 7
# Statements that make a state file of an earlier schema one of the next.
_UPGRADES = {
    6: (
        "ALTER TABLE pending ADD COLUMN label_time INTEGER",
        "ALTER TABLE pending ADD COLUMN labelled INTEGER",
        "ALTER TABLE early_labels ADD COLUMN first INTEGER",
    )
}


class Store:
    """Positions, summaries, counters and pending predictions of one model.

    ``path``: the state file, or None for one in memory. Only one process at a time may hold a state file.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Raises StoreError where the file is held by another process, is damaged or cannot be written."""
        self._connection = _connected(path)
        try:
            with self._connection.reading("state"):
                self._prepare()
        except BaseException:
            self._connection.close()
            raise
        self.counters = Counters(self._connection)
        self.positions = Positions(self._connection)
        self.summaries = Summaries(self._connection)
        self.versions = Versions(self._connection)
        self.segments = SegmentValues(self._connection)
        self.combinations = Combinations(self._connection)
        self.marks = Marks(self._connection)
        self.pending = Pending(self._connection)
        self.samples = Samples(self._connection)
        self.halves = Halves(self._connection)
        self.delivered = Delivered(self._connection)

    @property
    def path(self) -> Path | None:
        """The state file; None for one in memory."""
        return self._connection.path

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all that is written inside, or none of it.

        Raises StoreError where it could not be written; then nothing has changed.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk has SQLite roll back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                self.segments.reload()
                raise
        except sqlite3.Error as error:
            raise explained(error, self._connection.path) from None

    def damaged(self, what: str) -> StoreError:
        """Return the error to raise where ``what`` cannot have been written by the exporter."""
        return self._connection.damaged(what)

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _prepare(self) -> None:
        connection = self._connection
        # Held for good: a second exporter on the same file would count every record twice.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # Halving a sample of millions writes a log as large as the table; what is left of it is given back.
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute("BEGIN IMMEDIATE")
        version = connection.value("PRAGMA user_version")
        while version in _UPGRADES:
            for statement in _UPGRADES[version]:
                connection.execute(statement)
            version += 1
        if version not in (0, _SCHEMA_VERSION):
            connection.execute("ROLLBACK")
            raise StoreError(
                f"{connection.path}: written by another version of mlslo (schema {version}); "
                "move it away to start over from the logs"
            )
        for part in (
            Positions, Summaries, Versions, SegmentValues, Combinations, Counters, Marks, Pending, Samples,
            Halves,
            Delivered,
        ):  # fmt: skip
            for statement in part.SCHEMA:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        connection.execute("COMMIT")


def _connected(path: Path | None) -> Connection:
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite does not say why it cannot open a file.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
        connection = sqlite3.connect(
            path or ":memory:", isolation_level=None, timeout=1.0, check_same_thread=False, factory=Connection
        )
    except (sqlite3.Error, OSError) as error:
        raise explained(error, path) from None
    connection.path = path
    return connection
