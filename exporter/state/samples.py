"""Sampled records, kept as they were logged until a reference is built of them, and those references."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from exporter.state.connection import Table
from exporter.summary.base import Integers

MOST_RECORDS = 20_000
_MOST_KEPT = 100


class Sampled(NamedTuple):
    """A version, and the reference that its records are sampled for."""

    version: str
    reference: str


class Samples(Table):
    """Uniform samples by slot of time: the records of the smallest hashes, the same whatever their order.

    Equal records are kept once, with how many they are. Source: bottom-k sampling, Cohen and Kaplan (2007).
    """

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS samples (version TEXT, reference TEXT, slot INTEGER, hash INTEGER, "
        "time INTEGER, copies INTEGER, line BLOB, PRIMARY KEY (version, reference, slot, hash))",
        "CREATE TABLE IF NOT EXISTS made_references "
        "(id INTEGER PRIMARY KEY, version TEXT, reference TEXT, content TEXT, UNIQUE (version, reference))",
    )

    def sampled(self) -> dict[Sampled, int]:
        """Return all that have records, with the time of the earliest (epoch µs)."""
        rows = self._db.execute(
            "SELECT version, reference, min(time) FROM samples GROUP BY version, reference"
        )
        with self._db.reading("samples"):
            return {Sampled(str(version), str(reference)): int(time) for version, reference, time in rows}

    def slots(self, of: Sampled) -> list[int]:
        """Return the slots that have records, ascending."""
        rows = self._db.execute(
            "SELECT DISTINCT slot FROM samples WHERE version = ? AND reference = ? ORDER BY slot", of
        )
        return [int(slot) for (slot,) in rows]

    def highest(self, of: Sampled, slot: int) -> int | None:
        """Return the hash beyond which a slot's sample has none; None while it has all."""
        highest = self._db.value(
            "SELECT hash FROM samples WHERE version = ? AND reference = ? AND slot = ? ORDER BY hash LIMIT 1 OFFSET ?",
            (*of, slot, MOST_RECORDS - 1),
        )
        return None if highest is None else int(highest)

    def add(self, of: Sampled, slot: int, records: Iterable[tuple[int, int, bytes]]) -> None:
        """Take ``records``, each (hash, epoch µs, line), and keep the smallest hashes."""
        highest = self.highest(of, slot)
        self._db.executemany(
            "INSERT INTO samples VALUES (?, ?, ?, ?, ?, 1, ?) "
            "ON CONFLICT (version, reference, slot, hash) DO UPDATE SET copies = copies + 1",
            [
                (*of, slot, number, time, line)
                for number, time, line in records
                if highest is None or number <= highest
            ],
        )
        highest = self.highest(of, slot)
        if highest is not None:
            self._db.execute(
                "DELETE FROM samples WHERE version = ? AND reference = ? AND slot = ? AND hash > ?",
                (*of, slot, highest),
            )

    def times(self, of: Sampled) -> tuple[Integers, Integers]:
        """Return the times of sampled records (epoch µs, ascending), and how many each stands for."""
        rows = self._db.execute(
            "SELECT time, copies FROM samples WHERE version = ? AND reference = ? ORDER BY time", of
        ).fetchall()
        with self._db.reading("samples"):
            found = np.array(rows, dtype=np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def lines(self, of: Sampled, start: int, end: int) -> list[bytes]:
        """Return a uniform sample of the records of [start, end) in epoch µs, in their order of time; with copies."""
        full = [number for slot in self.slots(of) if (number := self.highest(of, slot)) is not None]
        # Of a slot that is full only the hashes up to its highest are known; further ones of others would be too many.
        limit = min(full, default=np.iinfo(np.int64).max)
        rows = self._db.execute(
            "SELECT line, copies FROM (SELECT * FROM samples WHERE version = ? AND reference = ? "
            "AND time >= ? AND time < ? AND hash <= ? ORDER BY hash LIMIT ?) ORDER BY time, hash",
            (*of, start, end, int(limit), MOST_RECORDS),
        ).fetchall()
        with self._db.reading("samples"):
            return [bytes(line) for line, copies in rows for _ in range(copies)]

    def reslot(self, reference: str, length: int) -> None:
        """Let slots be ``length`` µs long from now on."""
        self._db.execute("UPDATE samples SET slot = time / ? WHERE reference = ?", (length, reference))

    def drop(self, of: Sampled, *, before: int | None = None, from_slot: int | None = None) -> None:
        """Forget the records of before a time (epoch µs), those from a slot on, or all."""
        where, bounds = "", []
        for condition, bound in ((" AND time < ?", before), (" AND slot >= ?", from_slot)):
            if bound is not None:
                where += condition
                bounds.append(bound)
        self._db.execute(f"DELETE FROM samples WHERE version = ? AND reference = ?{where}", (*of, *bounds))

    def keep(self, of: Sampled, content: str) -> None:
        """Keep the text of a reference, and forget its records; of many references the earliest built is forgotten."""
        self._db.execute(
            "INSERT OR REPLACE INTO made_references (version, reference, content) VALUES (?, ?, ?)",
            (*of, content),
        )
        self._db.execute(
            "DELETE FROM made_references WHERE id <= (SELECT max(id) FROM made_references) - ?", (_MOST_KEPT,)
        )
        self.drop(of)

    def built(self) -> set[Sampled]:
        """Return all whose reference is built."""
        rows = self._db.execute("SELECT version, reference FROM made_references")
        return {Sampled(str(version), str(reference)) for version, reference in rows}

    def reference(self, of: Sampled) -> str:
        """Return the text of a reference that is built."""
        query = "SELECT content FROM made_references WHERE version = ? AND reference = ?"
        with self._db.reading("reference"):
            return str(self._db.value(query, of))
