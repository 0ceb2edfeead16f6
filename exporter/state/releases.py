"""Counts with noise, each drawn once: all that an exporter with ``privacy`` ever sends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from exporter.state.connection import Connection, Table
from exporter.summary.base import Integers

_NEVER = 2**62


class Releases(Table):
    """Counts of periods: exact ones until they are released, noisy ones from then on.

    ``until``: end of the last released period, epoch µs. Records before it are in no release that is still to come.
    """

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS private_settings (digest TEXT, until INTEGER)",
        "CREATE TABLE IF NOT EXISTS private_counts (start INTEGER PRIMARY KEY, counts BLOB)",
        "CREATE TABLE IF NOT EXISTS private_releases (start INTEGER PRIMARY KEY, counts BLOB)",
    )

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        for statement in self.SCHEMA:
            connection.execute(statement)

    @property
    def until(self) -> int:
        """Of a state that has not begun: later than any record."""
        until = self._db.value("SELECT until FROM private_settings")
        return _NEVER if until is None else int(until)

    def begin(self, digest: str, next_period: Callable[[int], int], now: int) -> None:
        """Begin anew where ``digest``, of cells and settings, is another: with the first whole period that is to come.

        A state that was lost began before, and released no period that ends later: no record is released again.
        In a transaction.
        """
        known = self._db.execute("SELECT digest, until FROM private_settings").fetchone()
        if known is not None and known[0] == digest:
            return
        until = next_period(now if known is None else max(now, known[1]))
        for table in ("private_settings", "private_counts", "private_releases"):
            self._db.execute(f"DELETE FROM {table}")
        self._db.execute("INSERT INTO private_settings VALUES (?, ?)", (digest, until))

    def add(self, start: int, counts: Integers) -> None:
        """Add exact counts of a period that is not released yet."""
        if start < self.until:
            raise ValueError("the period is released")
        before = self._counts(start, len(counts))
        self._db.execute(
            "INSERT OR REPLACE INTO private_counts VALUES (?, ?)", (start, (before + counts).tobytes())
        )

    def release(self, period: int, size: int, noised: Callable[[Integers], Integers]) -> None:
        """Draw the noise of the period that begins where the last one ended, with or without records.

        Forget its exact counts. In a transaction: what is drawn is sent once that is committed, and never drawn again.
        """
        start = self.until
        counts = noised(self._counts(start, size))
        self._db.execute("INSERT INTO private_releases VALUES (?, ?)", (start, counts.tobytes()))
        self._db.execute("DELETE FROM private_counts WHERE start = ?", (start,))
        self._db.execute("UPDATE private_settings SET until = ?", (start + period,))

    def skip(self, until: int) -> None:
        """Release nothing of what is before ``until``: no window reaches it. In a transaction."""
        self._db.execute("DELETE FROM private_counts WHERE start < ?", (until,))
        self._db.execute("DELETE FROM private_releases WHERE start < ?", (until,))
        self._db.execute("UPDATE private_settings SET until = max(until, ?)", (until,))

    def all(self) -> dict[int, Integers]:
        """Start of each released period -> its noisy counts."""
        rows = self._db.execute("SELECT start, counts FROM private_releases ORDER BY start")
        with self._db.reading("releases"):
            return {start: np.frombuffer(counts, dtype=np.int64) for start, counts in rows}

    def _counts(self, start: int, size: int) -> Integers:
        content = self._db.value("SELECT counts FROM private_counts WHERE start = ?", (start,))
        with self._db.reading("counts of a period"):
            counts = np.zeros(size, dtype=np.int64)
            return counts if content is None else counts + np.frombuffer(content, dtype=np.int64)
