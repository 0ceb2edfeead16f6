"""One SQLite file per model; what belongs together is committed together."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path

from exporter.state.connection import Connection, Fault, StoreError, explained
from exporter.state.counters import Combinations, Counters, Marks, Positions, Versions
from exporter.state.delivered import Delivered
from exporter.state.halves import Halves
from exporter.state.pending import Pending
from exporter.state.samples import Samples
from exporter.state.segments import SegmentValues
from exporter.state.skew import SkewPending
from exporter.state.summaries import Summaries

SCHEMA_VERSION = 7
# Statements that make a state file of an earlier schema one of the next. Of schema 5, ids of the form 5.0 have other
# hashes. Those before it counted over other edges: their windows cannot be gone on with. A new schema needs a file of
# the one before it in tests/exporter/state/files/.
_UPGRADES: dict[int, tuple[str, ...]] = {
    5: (),
    6: (
        "ALTER TABLE pending ADD COLUMN label_time INTEGER",
        "ALTER TABLE pending ADD COLUMN labelled INTEGER",
        "ALTER TABLE early_labels ADD COLUMN first INTEGER",
    ),
}


class Store:
    """Positions, summaries, counters and pending predictions of one model.

    ``path``: the state file, or None for one in memory. Only one process at a time may hold a state file.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Raises StoreError where the file is held by another process, is damaged or cannot be written."""
        self.path = path
        self._connection = _connected(path)
        try:
            with self._connection.reading("state"):
                self._prepare()
                self.counters = Counters(self._connection)
                self.positions = Positions(self._connection)
                self.summaries = Summaries(self._connection)
                self.versions = Versions(self._connection)
                self.segments = SegmentValues(self._connection)
                self.combinations = Combinations(self._connection)
                self.marks = Marks(self._connection)
                self.pending = Pending(self._connection)
                self.skew = SkewPending(self._connection)
                self.samples = Samples(self._connection)
                self.halves = Halves(self._connection)
                self.delivered = Delivered(self._connection)
        except BaseException:
            self._connection.close()
            raise

    @property
    def connection(self) -> Connection:
        """The connection, for tables that not every state has."""
        return self._connection

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

    def outlast_power_loss(self) -> None:
        """Have each commit reach the disk from now on: what it counted is then deleted elsewhere.

        Otherwise the newest ones may be gone after a crash of the machine, and logs are read again from before them.
        """
        self._connection.execute("PRAGMA synchronous = FULL")

    def damaged(self, what: str) -> StoreError:
        """Return the error to raise where ``what`` cannot have been written by the exporter."""
        return self._connection.damaged(what)

    def explained(self, error: sqlite3.Error) -> StoreError:
        """Return the error to raise for one of SQLite's outside of a transaction."""
        return explained(error, self.path)

    def size(self) -> int | None:
        """Return the bytes of the file and its write-ahead log; None of one in memory, or where it is gone."""
        if self.path is None:
            return None
        with suppress(OSError):
            log = Path(f"{self.path}-wal")
            return self.path.stat().st_size + (log.stat().st_size if log.exists() else 0)
        return None

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _prepare(self) -> None:
        connection = self._connection
        # Held for good: a second exporter on the same file would count every record twice.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        # Before anything is written: what is set aside is left as it was.
        version = self._known_version()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # Halving a sample of millions writes a log as large as the table; what is left of it is given back.
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute("BEGIN IMMEDIATE")
        for earlier in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
            for statement in _UPGRADES[earlier]:
                connection.execute(statement)
        try:
            _create(connection)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            raise connection.damaged(f"a table of another shape: {error}") from None
        found = _columns(connection)
        for table, columns in _expected_columns().items():
            if found[table] != columns:
                raise connection.damaged(f"a table of another shape: {table} has the columns {found[table]}")
        if version != SCHEMA_VERSION:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")

    def _known_version(self) -> int:
        """Return the schema of the file, 0 of an empty one. Raises StoreError where it cannot be gone on with."""
        version = int(self._connection.value("PRAGMA user_version"))
        if version == 0 and self._connection.value("SELECT count(*) FROM sqlite_master"):
            raise self._connection.damaged("not written by mlslo")
        if version not in (0, SCHEMA_VERSION, *_UPGRADES):
            raise StoreError(
                f"{self.path}: written by another version of mlslo: its schema is {version}, expected "
                f"{min(_UPGRADES)} to {SCHEMA_VERSION}",
                Fault.NEWER if version > SCHEMA_VERSION else Fault.OLDER,
            )
        return version


PARTS = (
    Positions, Summaries, Versions, SegmentValues, Combinations, Counters, Marks, Pending, SkewPending, Samples, Halves,
    Delivered,
)  # fmt: skip


def _create(connection: sqlite3.Connection) -> None:
    for part in PARTS:
        for statement in part.SCHEMA:
            connection.execute(statement)


def _columns(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the columns of each table, in their order: rows are inserted by it."""
    return dict(
        connection.execute(
            "SELECT m.name, group_concat(i.name, ', ') FROM sqlite_master m JOIN pragma_table_info(m.name) i "
            "WHERE m.type = 'table' GROUP BY m.name"
        ).fetchall()
    )


@cache
def _expected_columns() -> dict[str, str]:
    with closing(sqlite3.connect(":memory:")) as connection:
        _create(connection)
        return _columns(connection)


def _connected(path: Path | None) -> Connection:
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            if _is_empty(path) and not _is_empty(Path(f"{path}-wal")):
                # SQLite would take it for a new one, and delete the log.
                raise StoreError(f"{path}: damaged (empty, beside a write-ahead log)", Fault.DAMAGED)
            # SQLite does not say why it cannot open a file.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
        connection = sqlite3.connect(
            path or ":memory:", isolation_level=None, timeout=1.0, check_same_thread=False, factory=Connection
        )
    except (sqlite3.Error, OSError) as error:
        raise explained(error, path) from None
    connection.path = path
    return connection


def _is_empty(path: Path) -> bool:
    return not path.exists() or path.stat().st_size == 0
