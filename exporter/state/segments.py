"""The values of segments: which are large enough to have series, which combinations of them a prediction had."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.state.connection import Connection

OTHER = "other"
"""The value that all values share which have no series of their own."""

_TRACKED = 10  # times as many values as may have series
_HYSTERESIS = 2.0


@dataclass
class _Value:
    """``rows``: a decaying count. ``held``: whether it has series."""

    rows: float
    held: bool


class SegmentValues:
    """Counts values by segment; the largest hold series, as in the space-saving algorithm.

    Source: Metwally, Agrawal and El Abbadi (2005). A value takes another's place only with twice its rows, so
    that two of a size do not change places in every cycle.
    """

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS segment_values "
        "(segment TEXT, value TEXT, rows REAL, held INTEGER, PRIMARY KEY (segment, value))",
        "CREATE TABLE IF NOT EXISTS combinations (code INTEGER PRIMARY KEY, content TEXT UNIQUE)",
    )

    def __init__(self, connection: Connection, most: int = 20) -> None:
        self._connection = connection
        self.most = most
        self._values: dict[str, dict[str, _Value]] = {}
        self._combinations: dict[int, Mapping[str, str]] = {}
        self.reload()

    def reload(self) -> None:
        """Go back to what is committed."""
        self._values = {}
        rows = self._connection.execute("SELECT segment, value, rows, held FROM segment_values")
        with self._connection.reading("segment values"):
            for segment, value, number, held in rows:
                self._values.setdefault(segment, {})[value] = _Value(float(number), bool(held))
            found = self._connection.execute("SELECT code, content FROM combinations")
            self._combinations = {code: json.loads(content) for code, content in found}

    def count(self, segment: str, counts: Mapping[str, int]) -> int:
        """Count rows by value. Returns how many values were seen first and have no series of their own."""
        values = self._values.setdefault(segment, {})
        dropped = 0
        changed = set()
        held = sum(value.held for value in values.values())
        for name, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            if name == OTHER:
                continue
            if name not in values:
                inherited = self._make_room(segment, values)
                values[name] = _Value(inherited, held < self.most)
                held += values[name].held
                dropped += not values[name].held
            values[name].rows += number
            changed.add(name)
        self._connection.executemany(
            "INSERT OR REPLACE INTO segment_values VALUES (?, ?, ?, ?)",
            [(segment, name, values[name].rows, values[name].held) for name in sorted(changed)],
        )
        return dropped

    def shown(self, segment: str, value: str) -> str:
        """The value under which rows with ``value`` are counted: itself, or OTHER."""
        known = self._values.get(segment, {}).get(value)
        return value if known is not None and known.held else OTHER

    def exchange(self) -> list[tuple[str, str]]:
        """Give the places of values that others have outgrown to these; returns (segment, value) that lost theirs."""
        lost = []
        for segment, values in self._values.items():
            while True:
                held = [name for name, value in values.items() if value.held]
                waiting = [name for name, value in values.items() if not value.held]
                if not waiting or not held:
                    break
                smallest = min(held, key=lambda name: (values[name].rows, name))
                largest = max(waiting, key=lambda name: (values[name].rows, name))
                if len(held) <= self.most and values[largest].rows <= _HYSTERESIS * values[smallest].rows:
                    break
                values[smallest].held = False
                if len(held) <= self.most:
                    values[largest].held = True
                    self._save(segment, largest)
                self._save(segment, smallest)
                lost.append((segment, smallest))
        return lost

    def decay(self) -> None:
        """Halve all counts, so that the largest values are those of now."""
        for values in self._values.values():
            for value in values.values():
                value.rows /= 2
        self._connection.execute("UPDATE segment_values SET rows = rows / 2")

    def combination(self, values: Mapping[str, str]) -> int:
        """The code of segment -> value; 0 where there are no segments."""
        if not values:
            return 0
        content = json.dumps(values, sort_keys=True)
        self._connection.execute("INSERT OR IGNORE INTO combinations (content) VALUES (?)", (content,))
        row = self._connection.execute(
            "SELECT code FROM combinations WHERE content = ?", (content,)
        ).fetchone()
        self._combinations[int(row[0])] = dict(values)
        return int(row[0])

    def combined(self, code: int) -> Mapping[str, str]:
        """Segment -> value of a code."""
        return self._combinations.get(code, {})

    def _make_room(self, segment: str, values: dict[str, _Value]) -> float:
        """Forget the smallest value without series where too many are tracked; its rows are the newcomer's error."""
        if len(values) < _TRACKED * self.most:
            return 0.0
        name = min(
            (name for name, value in values.items() if not value.held), key=lambda name: values[name].rows
        )
        self._connection.execute(
            "DELETE FROM segment_values WHERE segment = ? AND value = ?", (segment, name)
        )
        return values.pop(name).rows

    def _save(self, segment: str, name: str) -> None:
        value = self._values[segment][name]
        self._connection.execute(
            "INSERT OR REPLACE INTO segment_values VALUES (?, ?, ?, ?)",
            (segment, name, value.rows, value.held),
        )
