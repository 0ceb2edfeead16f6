"""Served and offline values of features that wait for each other, by id."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from exporter.state.connection import Connection
from exporter.state.sampling import LeftOut, Sample, inside
from exporter.summary.base import Flags, Floats, Integers

# Ids looked up and written at a time: their pages stay in the cache from the one to the other.
_CHUNK = 2000


class Side(IntEnum):
    """Side whose values wait; of an id that had both, only that is known."""

    SERVED = 0
    OFFLINE = 1
    JOINED = 2


class Values(NamedTuple):
    """Values of distinct ids, with arrays of shape (rows,).

    ``time`` (epoch µs) and ``version``: of the prediction; of offline ones when they were read, and 0. ``layout``:
    names the columns of ``codes``, of shape (rows, columns).
    """

    id: Integers
    time: Integers
    version: Integers
    layout: int
    codes: Integers


class Joined(NamedTuple):
    """Values of both sides, of one layout each: that of what waited and that of what came; shape as in ``Values``."""

    time: Integers
    version: Integers
    waited: Integers
    came: Integers
    layout: int
    rows: Integers
    weight: Floats


class Added(NamedTuple):
    """``repeated``: rows of ids that had values of this side before; ``left_out``: of ids outside of the sample."""

    joined: list[Joined]
    repeated: Flags
    left_out: Flags


class SkewPending:
    """Values that wait, joined by the 64-bit hash of the id: the first prediction and the first offline row count.

    ``limit``: of the ids that wait or are remembered. Past it a sample of the ids is kept
    (``exporter.state.sampling``), the same on both sides, and ``Joined.weight`` says how many predictions each row
    stands for.
    """

    SCHEMA = (
        # ``codes``: 8 bytes a column; NULL once both sides were there.
        "CREATE TABLE IF NOT EXISTS skew (id INTEGER PRIMARY KEY, side INTEGER, time INTEGER, version INTEGER, "
        "layout INTEGER, codes BLOB, weight REAL)",
        "CREATE INDEX IF NOT EXISTS skew_time ON skew (side, time)",
        "CREATE TABLE IF NOT EXISTS skew_left_out (exponent INTEGER PRIMARY KEY, newest INTEGER)",
        "INSERT OR IGNORE INTO id_samples VALUES ('skew', 0, 0, 0)",
    )

    def __init__(self, connection: Connection, limit: int = 200_000) -> None:
        self._db = connection
        self._sample = Sample(connection, "skew", "skew")
        self._left_out = LeftOut(connection, "skew_left_out")
        self.limit = limit

    def add(self, side: Side, values: Values, now: int) -> Added:
        """Join values to those of the other side that wait for them; let the others wait.

        ``now``: epoch µs. Raises StoreError where what is stored is damaged.
        """
        self._sample.shrink(self.limit)
        repeated = np.zeros(len(values.id), dtype=bool)
        joined: list[Joined] = []
        exponent = self._sample.exponent
        left_out = ~inside(values.id, exponent)
        if left_out.any():
            self._left_out.add(exponent, now)
        kept = np.flatnonzero(~left_out)
        # A table grows several times as fast in the order of its key.
        kept = kept[np.argsort(values.id[kept])]
        for start in range(0, len(kept), _CHUNK):
            rows = kept[start : start + _CHUNK]
            known = self._look_up(values.id[rows])
            found = np.isin(values.id[rows], [row[0] for row in known])
            other = [row for row in known if row[1] == Side.OFFLINE - side]
            met = [row[0] for row in other]
            repeated[rows] = found & ~np.isin(values.id[rows], met)
            joined += self._join(side, values, rows, other)
            self._wait(side, values, rows[~found], exponent)
        if self._sample.number > self.limit:
            self._sample.thin(self.limit)
            self._left_out.add(self._sample.exponent, now)
        return Added(joined, repeated, left_out)

    def expire(self, before: int) -> dict[Side, float]:
        """Drop what has waited since before ``before`` (epoch µs).

        Returns how many ids of each side never met the other. While ids may have been left out on the other side, the
        others stand for them.
        """
        exponent = self._left_out.exponent
        found = {}
        for side in (Side.SERVED, Side.OFFLINE):
            rows = self._db.execute(
                "SELECT id FROM skew WHERE side = ? AND time < ?", (side, before)
            ).fetchall()
            with self._db.reading("features that wait to be compared"):
                ids = np.array([row[0] for row in rows], dtype=np.int64)
            found[side] = float(np.count_nonzero(inside(ids, exponent))) * 2.0**exponent
            self._sample.delete("side = ? AND time < ?", side, before)
        self._sample.delete("side = ? AND time < ?", Side.JOINED, before)
        return found

    def forget_left_out(self, before: int) -> None:
        """Take what was left out before ``before`` (epoch µs) as met by nothing that waits."""
        self._left_out.expire(before)

    def waiting(self, side: Side) -> int:
        """Return how many ids of a side wait."""
        return int(self._db.value("SELECT count(*) FROM skew WHERE side = ?", (side,)))

    def sampling_ratio(self) -> float:
        """Return the share of new ids whose values are kept, 1 where none is left out."""
        return 0.5**self._sample.exponent

    def _look_up(self, ids: Integers) -> list[tuple[Any, ...]]:
        self._db.execute("DELETE FROM arrived")
        self._db.executemany("INSERT OR IGNORE INTO arrived VALUES (?)", zip(ids.tolist(), strict=True))
        # CROSS: in this order. SQLite, which knows no sizes, would go through all that waits for each batch.
        return self._db.execute(
            "SELECT s.id, s.side, s.time, s.version, s.layout, s.codes, s.weight "
            "FROM arrived a CROSS JOIN skew s ON s.id = a.id"
        ).fetchall()

    def _join(self, side: Side, values: Values, rows: Integers, other: list[tuple[Any, ...]]) -> list[Joined]:
        """Return what of ``rows`` of ``values`` meets ``other``, by the layout of the latter."""
        places = dict(zip(values.id[rows].tolist(), rows.tolist(), strict=True))
        by_layout: dict[int, list[tuple[Any, ...]]] = {}
        for row in other:
            by_layout.setdefault(row[4], []).append(row)
        found = []
        for layout, some in by_layout.items():
            mine = np.array([places[row[0]] for row in some], dtype=np.int64)
            with self._db.reading("features that wait to be compared"):
                waited = np.frombuffer(b"".join(row[5] for row in some), dtype=np.int64)
                waited = waited.reshape(len(some), -1)
                least = 2.0**self._sample.exponent
                weight = np.maximum(np.array([row[6] for row in some], dtype=np.float64), least)
                time, version = (
                    (values.time[mine], values.version[mine])
                    if side is Side.SERVED
                    else (np.array([row[place] for row in some], dtype=np.int64) for place in (2, 3))
                )
            found.append(Joined(time, version, waited, values.codes[mine], int(layout), mine, weight))
        # The id is remembered for as long as either side may come again.
        self._db.executemany(
            "UPDATE skew SET side = ?, time = max(time, ?), codes = NULL WHERE id = ?",
            [(Side.JOINED, int(values.time[places[row[0]]]), row[0]) for row in other],
        )
        return found

    def _wait(self, side: Side, values: Values, rows: Integers, exponent: int) -> None:
        weight = 2.0**exponent
        self._db.executemany(
            "INSERT INTO skew VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(int(values.id[row]), side, int(values.time[row]), int(values.version[row])),
                    *(values.layout, values.codes[row].tobytes(), weight),
                )
                for row in rows.tolist()
            ],
        )
        self._sample.count(len(rows), len(rows) * weight)
