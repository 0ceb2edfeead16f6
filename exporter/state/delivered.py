"""Records that were taken before, so that one that is delivered twice counts once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from exporter.state.connection import Connection, Table
from exporter.summary.base import Flags, Integers

MOST_REMEMBERED = 2_000_000
# Of hashes in a block: 1 MiB. A block that is rewritten with each cycle must not be large.
_LARGEST = 1 << 17


class Delivered(Table):
    """64-bit hashes of records, in blocks of records that came one after another; 8 bytes each.

    At least the newest ``limit`` are remembered; past it the block that came first is forgotten. A block is looked
    into where its records' times overlap those of new ones, which of a log in the order of time is seldom.
    """

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS delivered (number INTEGER PRIMARY KEY, first INTEGER, last INTEGER, "
        "size INTEGER, hashes BLOB)",
    )

    def __init__(self, connection: Connection, limit: int = MOST_REMEMBERED) -> None:
        super().__init__(connection)
        self.limit = limit

    def take(self, times: Integers, hashes: Integers) -> Flags:
        """Return which rows came before, or earlier among these; remember the others.

        Arrays of shape (rows,). ``times``: epoch µs; equal records have equal times. Raises StoreError where what is
        stored is damaged.
        """
        repeated = _repeats(hashes)
        if not len(hashes):
            return repeated
        first, last = int(times.min()), int(times.max())
        blocks = self._db.execute(
            "SELECT number, first, last FROM delivered WHERE first <= ? AND last >= ?", (last, first)
        ).fetchall()
        for number, since, until in blocks:
            rows = np.flatnonzero((times >= since) & (times <= until) & ~repeated)
            if len(rows):
                known = self._hashes(number)
                places = np.minimum(np.searchsorted(known, hashes[rows]), len(known) - 1)
                repeated[rows[known[places] == hashes[rows]]] = True
        new = ~repeated
        if new.any():
            self._remember(times[new], np.sort(hashes[new]))
        return repeated

    def newest(self, most: int) -> list[tuple[int, int, bytes]]:
        """Return (first time, last time, hashes) of the blocks that came last, of ``most`` records or a few more."""
        found: list[tuple[int, int, bytes]] = []
        for first, last, size, hashes in self._db.execute(
            "SELECT first, last, size, hashes FROM delivered ORDER BY number DESC"
        ):
            if most <= 0:
                break
            most -= size
            found.append((first, last, bytes(hashes)))
        return found

    def restore(self, blocks: Iterable[tuple[int, int, bytes]]) -> None:
        """Take blocks that other stores gave into an empty store, the newest up to the limit."""
        for first, last, content in sorted(blocks):
            hashes = np.frombuffer(content, dtype=np.int64)
            self._remember(np.array([first, last], dtype=np.int64), hashes)

    def _remember(self, times: Integers, hashes: Integers) -> None:
        """Add a block, joined with those before it that are not much larger; forget the first past the limit."""
        first, last = int(times.min()), int(times.max())
        blocks = self._db.execute(
            "SELECT number, first, last, size FROM delivered ORDER BY number"
        ).fetchall()
        joined = [hashes]
        size, number = len(hashes), 1 + (blocks[-1][0] if blocks else 0)
        while blocks and blocks[-1][3] <= 2 * size and blocks[-1][3] + size <= _LARGEST:
            number, since, until, more = blocks.pop()
            joined.append(self._hashes(number))
            first, last, size = min(first, since), max(last, until), size + more
        if len(joined) > 1:
            self._db.execute("DELETE FROM delivered WHERE number >= ?", (number,))
            hashes = np.sort(np.concatenate(joined))
        self._db.execute(
            "INSERT INTO delivered VALUES (?, ?, ?, ?, ?)", (number, first, last, size, hashes.tobytes())
        )
        total = size + sum(block[3] for block in blocks)
        for block in blocks:
            if total - block[3] < self.limit:
                break
            total -= block[3]
            self._db.execute("DELETE FROM delivered WHERE number = ?", (block[0],))

    def _hashes(self, number: int) -> Integers:
        """Return the hashes of a block, ascending."""
        size, content = self._db.execute(
            "SELECT size, hashes FROM delivered WHERE number = ?", (number,)
        ).fetchone()
        with self._db.reading("records that were delivered"):
            found = np.frombuffer(content, dtype=np.int64)
            if not len(found) or len(found) != size:
                raise ValueError(f"{len(found)} hashes where {size} are expected")
        return found


def _repeats(hashes: Integers) -> Flags:
    """Return the rows whose hash an earlier row has."""
    repeated = np.zeros(len(hashes), dtype=bool)
    ordered = np.sort(hashes)
    # Which rows they are is told by a sort that costs several times as much, and is seldom needed.
    if (ordered[1:] == ordered[:-1]).any():
        order = np.argsort(hashes, kind="stable")
        repeated[order[1:]] = hashes[order[1:]] == hashes[order[:-1]]
    return repeated
