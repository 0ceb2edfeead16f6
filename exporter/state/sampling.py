"""Samples of ids, where more wait than there is room for, and how many each stands for.

An id is a uniform 64-bit hash; the sample of exponent k are the ids below 2**64 / 2**k. Samples are nested and
depend on the ids alone: replicas and replays choose alike, and a prediction and its label are left out together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exporter.state.connection import Connection

Integers = npt.NDArray[np.int64]

MOST = 64


def last(exponent: int) -> int:
    """Return the last id of the sample of an exponent of 1 or more, as it is stored: in 64 bits with a sign.

    Its first id is 0; negative ones are the upper half of the hashes.
    """
    return (1 << (64 - exponent)) - 1


def inside(ids: Integers, exponent: int) -> npt.NDArray[np.bool_]:
    """Return which of ``ids``, of shape (rows,), are in the sample of ``exponent``."""
    if exponent == 0:
        return np.ones(len(ids), dtype=bool)
    return (ids >= 0) & (ids <= last(exponent))


class Sample:
    """Counts and exponents of one kind of rows.

    A row knows the era in which it came. When the exponent grows it does so for all eras, so that no row is written
    anew; when it shrinks an era begins, and the rows that are there keep theirs.
    """

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS eras (era INTEGER PRIMARY KEY, sample TEXT, exponent INTEGER, number INTEGER)",
        "INSERT OR IGNORE INTO eras VALUES (0, 'waiting', 0, 0), (1, 'labelled', 0, 0), (2, 'early', 0, 0)",
    )

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    @property
    def era(self) -> int:
        """The era of rows that come now."""
        return max(self._eras())

    @property
    def exponent(self) -> int:
        """The exponent of rows that come now."""
        eras = self._eras()
        return eras[max(eras)][0]

    @property
    def number(self) -> int:
        """Number of rows."""
        return sum(number for _, number in self._eras().values())

    def exponents(self, eras: Integers) -> Integers:
        """Return the exponent of each era. Raises ValueError where there is no such era."""
        known = {era: exponent for era, (exponent, _) in self._eras().items()}
        distinct, positions = np.unique(eras, return_inverse=True)
        unknown = set(distinct.tolist()) - known.keys()
        if unknown:
            raise ValueError(f"eras {sorted(unknown)}")
        return np.array([known[era] for era in distinct.tolist()], dtype=np.int64)[positions]

    def count(self, era: int, change: int) -> None:
        """Count ``change`` rows more of ``era``, of whichever sample it is."""
        self._connection.execute("UPDATE eras SET number = number + ? WHERE era = ?", (change, era))

    def grow(self, exponent: int) -> None:
        """Let each row stand for 2**exponent at least; the rows outside the sample are the caller's to drop."""
        self._connection.execute(
            "UPDATE eras SET exponent = ? WHERE sample = ? AND exponent < ?", (exponent, self._name, exponent)
        )

    def shrink(self, limit: int, least: int = 0) -> None:
        """Take the smallest exponent, not below ``least``, at which half of ``limit`` holds what the rows stand for.

        Where all rows are of one exponent that is one less once they have shrunk to a quarter of the limit.
        """
        eras = self._eras()
        exponent = now = eras[max(eras)][0]
        if now <= least:
            return
        population = sum(number * 2.0**power for power, number in eras.values())
        while exponent > least and population <= limit / 2 * 2.0 ** (exponent - 1):
            exponent -= 1
        if exponent < now:
            self._connection.execute(
                "DELETE FROM eras WHERE sample = ? AND number = 0 AND era > 2", (self._name,)
            )
            self._connection.execute(
                "INSERT INTO eras SELECT max(era) + 1, ?, ?, 0 FROM eras", (self._name, exponent)
            )

    def _eras(self) -> dict[int, tuple[int, int]]:
        rows = self._connection.execute(
            "SELECT era, exponent, number FROM eras WHERE sample = ?", (self._name,)
        )
        return {era: (exponent, number) for era, exponent, number in rows}


class LeftOut:
    """Exponents of what was left out, and until when a label of it may come."""

    SCHEMA = ("CREATE TABLE IF NOT EXISTS left_out (exponent INTEGER PRIMARY KEY, newest INTEGER)",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def exponent(self) -> int:
        """Ids outside the sample of this exponent may have been left out."""
        (exponent,) = self._connection.execute("SELECT max(exponent) FROM left_out").fetchone()
        return exponent or 0

    def add(self, exponent: int, now: int) -> None:
        """Note that at ``now`` (epoch µs) ids outside the sample of ``exponent`` were left out."""
        self._connection.execute(
            "INSERT INTO left_out VALUES (?, ?) "
            "ON CONFLICT (exponent) DO UPDATE SET newest = max(newest, excluded.newest)",
            (exponent, now),
        )

    def expire(self, before: int) -> None:
        """Forget what was left out before ``before`` (epoch µs)."""
        self._connection.execute("DELETE FROM left_out WHERE newest < ?", (before,))
