"""Values of segments: those large enough to have series of their own, and candidates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import nlargest

import numpy as np

from exporter.state.connection import Connection
from exporter.state.sampling import hash_of
from exporter.summary.base import Floats, Integers

OTHER = "other"
"""The value that all values share which have no series of their own."""
NO_VALUE = "missing"
"""The value of records that have none."""

_TRACKED = 10  # times as many values as may have series
_HYSTERESIS = 2.0
_MOST_DROPPED = 100_000
_MOST_HALVINGS = 64
_DAY = 86_400_000_000


@dataclass
class _Value:
    """``rows``: their weights; of a value without series, at least so much. ``held``: whether it has series."""

    rows: float
    held: bool


class SegmentValues:
    """Weighs values by segment; the largest hold series, and ten times as many are known.

    A row's weight halves with each ``half_life`` (µs of event time) that passes after it, by forward decay (Cormode,
    Shkapenyuk, Srivastava and Xu, 2009): the largest are those of now, in whatever order and batches rows are read.
    Values without series are a Misra-Gries summary, merged by batches (Agarwal et al., 2012): one's rows are told
    too low by at most the weight of all rows without series over the number of values known, never too high. A value
    takes the series of another only with twice its rows, so that two of a size do not swap in every cycle.
    """

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS segment_values "
        "(segment TEXT, value TEXT, rows REAL, held INTEGER, PRIMARY KEY (segment, value))",
        "CREATE TABLE IF NOT EXISTS segment_landmark (id INTEGER PRIMARY KEY CHECK (id = 0), time INTEGER)",
        "CREATE TABLE IF NOT EXISTS dropped_values (hash INTEGER PRIMARY KEY)",
    )

    def __init__(self, connection: Connection, most: int = 20, half_life: int = _DAY) -> None:
        self._db = connection
        self.most = most
        self.half_life = half_life
        self.reload()

    def reload(self) -> None:
        """Go back to what is committed."""
        self._values: dict[str, dict[str, _Value]] = {}
        rows = self._db.execute("SELECT segment, value, rows, held FROM segment_values").fetchall()
        with self._db.reading("segment values"):
            for segment, value, number, held in rows:
                self._values.setdefault(segment, {})[value] = _Value(float(number), bool(held))
            time = self._db.value("SELECT time FROM segment_landmark")
            self._landmark = None if time is None else int(time)
            self._dropped = int(self._db.value("SELECT count(*) FROM dropped_values"))

    def weights(self, times: Integers) -> Floats:
        """Return the weight of a row of each of ``times`` (epoch µs). Call once for each batch, before ``count``."""
        if not len(times):
            return np.empty(0)
        newest = int(times.max())
        if self._landmark is None:
            self._move_landmark(newest)
        assert self._landmark is not None
        halvings = (newest - self._landmark) // self.half_life
        if halvings > _MOST_HALVINGS:
            for values in self._values.values():
                for value in values.values():
                    value.rows *= 0.5**halvings
            self._db.execute("UPDATE segment_values SET rows = rows * ?", (0.5**halvings,))
            self._move_landmark(self._landmark + halvings * self.half_life)
        weights: Floats = np.exp2((times - self._landmark) / self.half_life)
        return weights

    def count(self, segment: str, weights: Mapping[str, float]) -> int:
        """Add to the values' rows. Returns how many of them were left without series for the first time.

        Each value is told once, up to 100,000 values of all segments.
        """
        values = self._values.setdefault(segment, {})
        for name in weights.keys() & values.keys():
            values[name].rows += weights[name]
        fresh = sorted(
            (name for name in weights if name not in values and name != OTHER),
            key=lambda name: (-weights[name], name),
        )
        free = self.most - sum(value.held for value in values.values())
        for position, name in enumerate(fresh):
            values[name] = _Value(weights[name], position < free)
        changed = self._forget_smallest(segment) | weights.keys()
        self._save(segment, changed & values.keys())
        return self.drop(segment, fresh[max(free, 0) :])

    def shown(self, segment: str, value: str) -> str:
        """Return the value under which rows with ``value`` are counted: itself, or OTHER."""
        known = self._values.get(segment, {}).get(value)
        return value if known is not None and known.held else OTHER

    def held(self, segment: str) -> frozenset[str]:
        """Return the values that have series of their own."""
        return frozenset(name for name, value in self._values.get(segment, {}).items() if value.held)

    def sizes(self) -> dict[tuple[str, str], tuple[float, bool]]:
        """(Segment, value) -> the binary logarithm of its rows, weighed as of the year 1970, and whether it has series.

        So they are free of the landmark, and those of several stores of one half-life add up.
        """
        if self._landmark is None:
            return {}
        since = self._landmark / self.half_life
        return {
            (segment, name): ((math.log2(value.rows) if value.rows > 0 else -1074.0) + since, value.held)
            for segment, values in self._values.items()
            for name, value in values.items()
        }

    def restore(self, sizes: Mapping[tuple[str, str], tuple[float, bool]], dropped: Iterable[int]) -> None:
        """Take ``sizes``, as another store gave them, and the hashes of dropped values, into an empty store."""
        self._db.executemany("INSERT OR IGNORE INTO dropped_values VALUES (?)", ((one,) for one in dropped))
        # Beyond them no clock can be right.
        most = (1 << 62) / self.half_life
        sizes = {of: known for of, known in sizes.items() if known[0] < most}
        if sizes:
            newest = math.floor(max(size for size, _ in sizes.values()))
            self._move_landmark(newest * self.half_life)
            rows = [(*of, 2.0 ** max(size - newest, -1074.0), held) for of, (size, held) in sizes.items()]
            self._db.executemany("INSERT INTO segment_values VALUES (?, ?, ?, ?)", rows)
        self.reload()

    def dropped(self) -> list[int]:
        """Return the hashes of the values that were dropped."""
        rows = self._db.execute("SELECT hash FROM dropped_values ORDER BY hash").fetchall()
        return [int(number) for (number,) in rows]

    def exchange(self) -> tuple[list[tuple[str, str]], int]:
        """Give the places of values that others have outgrown to these.

        Returns each (segment, value) that has no series any more, and how many of them had never been without.
        """
        lost: list[tuple[str, str]] = []
        dropped = 0
        for segment, values in self._values.items():
            held = sorted(
                (name for name, value in values.items() if value.held),
                key=lambda name: (values[name].rows, name),
            )
            waiting = sorted(
                (name for name, value in values.items() if not value.held),
                key=lambda name: (-values[name].rows, name),
            )
            losers = held[: max(0, len(held) - self.most)]
            winners = waiting[: max(0, self.most - len(held))]
            for smaller, larger in zip(held[len(losers) :], waiting[len(winners) :], strict=False):
                if values[larger].rows <= _HYSTERESIS * values[smaller].rows:
                    break
                losers.append(smaller)
                winners.append(larger)
            for name in losers:
                values[name].held = False
            for name in winners:
                values[name].held = True
            self._save(segment, [*losers, *winners])
            dropped += self.drop(segment, losers)
            lost += [(segment, name) for name in losers]
        return lost, dropped

    def drop(self, segment: str, names: Iterable[str]) -> int:
        """Note values that are left without series; returns how many of them have not been dropped before."""
        room = _MOST_DROPPED - self._dropped
        before = self._db.total_changes
        if room > 0:
            self._db.executemany(
                "INSERT OR IGNORE INTO dropped_values VALUES (?)",
                [(hash_of(f"{segment}\0{name}".encode()),) for name in names],
            )
        found = self._db.total_changes - before
        self._dropped += found
        return min(found, max(room, 0))

    def _forget_smallest(self, segment: str) -> set[str]:
        """Keep the largest of too many values. Returns those whose rows have changed by that."""
        values = self._values[segment]
        waiting = [name for name, value in values.items() if not value.held]
        room = max(_TRACKED * self.most - (len(values) - len(waiting)), 1)
        if len(waiting) <= room:
            return set()
        largest = nlargest(room + 1, waiting, key=lambda name: (values[name].rows, name))
        # What the first that finds no room has, all others lose: so none is told too high when it comes back.
        excess = values[largest.pop()].rows
        kept = {name for name in largest if values[name].rows > excess}
        gone = [name for name in waiting if name not in kept]
        for name in gone:
            del values[name]
        for name in kept:
            values[name].rows -= excess
        self._db.executemany(
            "DELETE FROM segment_values WHERE segment = ? AND value = ?", [(segment, name) for name in gone]
        )
        return kept

    def _move_landmark(self, time: int) -> None:
        self._landmark = time
        self._db.execute("INSERT OR REPLACE INTO segment_landmark VALUES (0, ?)", (time,))

    def _save(self, segment: str, names: Iterable[str]) -> None:
        values = self._values[segment]
        self._db.executemany(
            "INSERT OR REPLACE INTO segment_values VALUES (?, ?, ?, ?)",
            [(segment, name, values[name].rows, values[name].held) for name in sorted(names)],
        )
