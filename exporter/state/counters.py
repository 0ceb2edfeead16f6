"""Counters that only grow, marks that only rise, positions of sinks, and numbers of versions and of segment values."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from exporter.state.connection import Table
from exporter.state.sampling import hash_of


class Counters(Table):
    """Totals by metric name and label values (without the model's)."""

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS counters (name TEXT, labels TEXT, total REAL, PRIMARY KEY (name, labels))",
    )

    def add(self, name: str, labels: tuple[str, ...], amount: float) -> None:
        """Count ``amount`` more; 0 makes the series known."""
        self._db.execute(
            "INSERT INTO counters VALUES (?, ?, ?) "
            "ON CONFLICT (name, labels) DO UPDATE SET total = total + excluded.total",
            (name, json.dumps(labels), amount),
        )

    def all(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """(Metric name, label values) -> total."""
        with self._db.reading("counters"):
            rows = self._db.execute("SELECT name, labels, total FROM counters ORDER BY name, labels")
            return {(str(name), tuple(json.loads(labels))): float(total) for name, labels, total in rows}

    def totals(self, name: str) -> dict[tuple[str, ...], float]:
        """Label values -> total, in a stable order."""
        with self._db.reading("counters"):
            rows = self._db.execute("SELECT labels, total FROM counters WHERE name = ?", (name,))
            return dict(sorted((tuple(json.loads(labels)), float(total)) for labels, total in rows))


class Positions(Table):
    """Positions by sink and key; their content is the sink's own affair."""

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS positions (sink TEXT, key TEXT, position TEXT, PRIMARY KEY (sink, key))",
    )

    def load(self, sink: str) -> dict[str, str]:
        """Return all positions of ``sink``."""
        with self._db.reading("positions"):
            rows = self._db.execute("SELECT key, position FROM positions WHERE sink = ?", (sink,))
            return dict(rows.fetchall())

    def save(self, sink: str, positions: Mapping[str, str]) -> None:
        """Add or replace positions; forget those that are empty."""
        self._db.executemany(
            "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
            [(sink, key, position) for key, position in positions.items() if position],
        )
        self._db.executemany(
            "DELETE FROM positions WHERE sink = ? AND key = ?",
            [(sink, key) for key, position in positions.items() if not position],
        )

    def clear(self) -> None:
        """Forget all positions."""
        self._db.execute("DELETE FROM positions")


CLOCK, IDENTITY = "clock", "identity"
"""Marks of the exporter that keeps the state: the time that it trusted last, and the state's own random number."""


class Marks(Table):
    """Values by name, mostly times that only rise."""

    SCHEMA = ("CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER)",)

    def get(self, name: str) -> int | None:
        """Return the mark, or None where it was never raised."""
        with self._db.reading("marks"):
            value = self._db.value("SELECT value FROM marks WHERE name = ?", (name,))
            return None if value is None else int(value)

    def all(self) -> dict[str, int]:
        """Name -> mark."""
        with self._db.reading("marks"):
            rows = self._db.execute("SELECT name, value FROM marks ORDER BY name")
            return {str(name): int(value) for name, value in rows}

    def rise(self, name: str, value: int, most: int | None = None) -> None:
        """Raise the mark to ``value``, unless it is higher; one above ``most`` was set by a wrong clock, and falls."""
        self._db.execute(
            "INSERT INTO marks VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE "
            "SET value = CASE WHEN value > ?3 THEN ?2 ELSE max(value, ?2) END",
            (name, value, most),
        )

    def identity(self) -> int:
        """Return a random number of this state: the same until it is lost. In a transaction."""
        if (known := self.get(IDENTITY)) is None:
            known = secrets.randbits(62)
            self.put(IDENTITY, known)
        return known

    def put(self, name: str, value: int) -> None:
        """Set the mark to ``value``."""
        self._db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))


def last_seen(version: str, feature: str) -> str:
    """Return the name of the mark of a feature's newest value."""
    return f"feature {version}\0{feature}"


class Version(NamedTuple):
    """``began`` and ``seen``: event times (epoch µs) of its first and its newest prediction."""

    name: str
    began: int
    seen: int


class Versions(Table):
    """Versions by number; where ``shared``, one that follows from the name, the same in every store."""

    shared = False

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS versions "
        "(id INTEGER PRIMARY KEY, name TEXT UNIQUE, began INTEGER, seen INTEGER)",
    )

    def number(self, name: str, first: int, last: int) -> int:
        """Return the number of a version that predicted from ``first`` to ``last`` (epoch µs); new on first sight."""
        self._db.execute(
            "INSERT INTO versions VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET began = min(began, excluded.began), seen = max(seen, excluded.seen)",
            (_number(name) if self.shared else None, name, first, last),
        )
        return int(self._db.value("SELECT id FROM versions WHERE name = ?", (name,)))

    def all(self) -> dict[int, Version]:
        """Number -> version, by name."""
        rows = self._db.execute("SELECT id, name, began, seen FROM versions ORDER BY name").fetchall()
        with self._db.reading("versions"):
            return {
                int(number): Version(str(name), int(began), int(seen)) for number, name, began, seen in rows
            }

    def forget(self, before: int) -> list[int]:
        """Drop those that have not predicted since ``before`` (epoch µs), but for the last one that did."""
        rows = self._db.execute(
            "DELETE FROM versions WHERE seen < ? AND seen < (SELECT max(seen) FROM versions) RETURNING id",
            (before,),
        ).fetchall()
        return [int(number) for (number,) in rows]


class Combinations(Table):
    """Segment -> value, by number, as ``Versions`` have it. One that no prediction has any more is forgotten."""

    shared = False

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS combinations (code INTEGER PRIMARY KEY, content TEXT, newest INTEGER)",
        "CREATE INDEX IF NOT EXISTS combinations_content ON combinations (content)",
    )

    def codes(self, contents: Sequence[Mapping[str, str]], newest: Sequence[int]) -> list[int]:
        """Return the number of each of ``contents``, 0 for an empty one. ``newest``: epoch µs of their rows."""
        found = [self._code(json.dumps(content, sort_keys=True)) if content else 0 for content in contents]
        self._db.executemany(
            "UPDATE combinations SET newest = max(newest, ?) WHERE code = ?", zip(newest, found, strict=True)
        )
        return found

    def content(self, code: int) -> Mapping[str, str]:
        """Return what ``code`` stands for; nothing where that is not known."""
        text = self._db.value("SELECT content FROM combinations WHERE code = ?", (code,))
        with self._db.reading("combination of segment values"):
            return {} if text is None else dict(json.loads(text))

    def all(self) -> dict[int, Mapping[str, str]]:
        """Number -> what it stands for."""
        with self._db.reading("combination of segment values"):
            rows = self._db.execute("SELECT code, content FROM combinations").fetchall()
            return {int(code): dict(json.loads(text)) for code, text in rows}

    def rename(self, segment: str, value: str, into: str) -> None:
        """Let predictions that had ``value`` have ``into`` instead."""
        rows = self._db.execute("SELECT code, content FROM combinations").fetchall()
        changed = []
        with self._db.reading("combination of segment values"):
            for code, text in rows:
                content = json.loads(text)
                if content.get(segment) == value:
                    changed.append((json.dumps({**content, segment: into}, sort_keys=True), code))
        self._db.executemany("UPDATE combinations SET content = ? WHERE code = ?", changed)

    def expire(self, before: int) -> None:
        """Forget those of which no prediction is as young as ``before`` (epoch µs)."""
        self._db.execute("DELETE FROM combinations WHERE newest < ?", (before,))

    def _code(self, text: str) -> int:
        code = self._db.value("SELECT min(code) FROM combinations WHERE content = ?", (text,))
        if code is None:
            row = (_number(text) if self.shared else None, text)
            code = self._db.value(
                "INSERT INTO combinations (code, content) VALUES (?, ?) RETURNING code", row
            )
        return int(code)


def _number(text: str) -> int:
    return abs(hash_of(text.encode())) >> 1
