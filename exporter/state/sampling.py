"""Samples of ids, where more wait than there is room for, and how many each stands for.

An id is a uniform 64-bit hash; the sample of exponent k are the ids below 2**64 / 2**k. Samples are nested and
depend on the ids alone: replicas and replays choose alike, and a prediction and its label are left out together.
"""

from __future__ import annotations

import hashlib

import numpy as np

from exporter.state.connection import Connection, Table
from exporter.summary.base import Flags, Integers

MOST = 64


def hash_of(content: bytes) -> int:
    """Return a hash of 64 bits with a sign, which no upgrade changes."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)


def last(exponent: int) -> int:
    """Return the last id of the sample of an exponent of 1 or more, as it is stored: in 64 bits with a sign.

    Its first id is 0; negative ones are the upper half of the hashes.
    """
    return (1 << (64 - exponent)) - 1


def inside(ids: Integers, exponent: int) -> Flags:
    """Return which of ``ids``, of shape (rows,), are in the sample of ``exponent``."""
    if exponent == 0:
        return np.ones(len(ids), dtype=bool)
    return (ids >= 0) & (ids <= last(exponent))


class Sample:
    """Rows of a table with the columns ``id`` and ``weight``, how many they are and what they stand for.

    A row keeps the weight with which it came, 2**exponent, unless the sample's exponent grows beyond it.
    """

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS id_samples (name TEXT PRIMARY KEY, exponent INTEGER, number INTEGER, "
        "population REAL)",
        "INSERT OR IGNORE INTO id_samples VALUES ('waiting', 0, 0, 0), ('labelled', 0, 0, 0), ('early', 0, 0, 0)",
    )

    def __init__(self, connection: Connection, name: str, table: str, rows: str = "true") -> None:
        """``rows``: those of the table that are of the sample."""
        self._db = connection
        self._name = name
        self._table = table
        self._rows = rows

    @property
    def exponent(self) -> int:
        """The exponent of rows that come now."""
        return int(self._get("exponent"))

    @property
    def number(self) -> int:
        return int(self._get("number"))

    def count(self, number: int, population: float) -> None:
        """Count rows more, or fewer, and what they stand for."""
        self._set("number = number + ?, population = population + ?", number, population)

    def delete(self, where: str, *parameters: int) -> None:
        """Delete the rows that meet a condition."""
        of_them = f"FROM {self._table} WHERE {self._rows} AND {where}"
        ((number, population),) = self._db.execute(f"SELECT count(*), total(weight) {of_them}", parameters)
        if number:
            self._db.execute(f"DELETE {of_them}", parameters)
            self.count(-number, -population)

    def delete_outside(self, exponent: int) -> None:
        """Delete the rows that are not in the sample of an exponent of 1 or more."""
        self.delete("id < 0")
        self.delete("id > ?", last(exponent))

    def thin(self, limit: int, least: int = 0) -> None:
        """Grow the exponent, at least to ``least``, until the sample is within ``limit``."""
        exponent = before = self.exponent
        while (exponent < least or self.number > limit) and exponent < MOST:
            exponent += 1
            self.delete_outside(exponent)
        if exponent > before:
            weight = 2.0**exponent
            self._db.execute(
                f"UPDATE {self._table} SET weight = ? WHERE {self._rows} AND weight < ?", (weight, weight)
            )
            total = f"(SELECT total(weight) FROM {self._table} WHERE {self._rows})"
            self._set(f"exponent = ?, population = {total}", exponent)

    def shrink(self, limit: int, least: int = 0) -> None:
        """Take the smallest exponent, not below ``least``, at which half of ``limit`` holds what the rows stand for.

        Where all rows are of one exponent that is one less once they have shrunk to a quarter of the limit.
        """
        exponent, population = self.exponent, self._get("population")
        while exponent > least and population <= limit / 2 * 2.0 ** (exponent - 1):
            exponent -= 1
        self._set("exponent = ?", exponent)

    def _set(self, what: str, *values: float) -> None:
        self._db.execute(f"UPDATE id_samples SET {what} WHERE name = ?", (*values, self._name))

    def _get(self, column: str) -> float:
        return float(self._db.value(f"SELECT {column} FROM id_samples WHERE name = ?", (self._name,)))


class LeftOut(Table):
    """Exponents of what was left out, and until when a label of it may come."""

    SCHEMA = ("CREATE TABLE IF NOT EXISTS left_out (exponent INTEGER PRIMARY KEY, newest INTEGER)",)

    def __init__(self, connection: Connection, table: str = "left_out") -> None:
        """``table``: of the columns of ``SCHEMA``."""
        super().__init__(connection)
        self._table = table

    @property
    def exponent(self) -> int:
        """Ids outside the sample of this exponent may have been left out."""
        return int(self._db.value(f"SELECT max(exponent) FROM {self._table}") or 0)

    def add(self, exponent: int, now: int) -> None:
        """Note that at ``now`` (epoch µs) ids outside the sample of ``exponent`` were left out."""
        self._db.execute(
            f"INSERT INTO {self._table} VALUES (?, ?) "
            "ON CONFLICT (exponent) DO UPDATE SET newest = max(newest, excluded.newest)",
            (exponent, now),
        )

    def expire(self, before: int) -> None:
        """Forget what was left out before ``before`` (epoch µs)."""
        self._db.execute(f"DELETE FROM {self._table} WHERE newest < ?", (before,))
