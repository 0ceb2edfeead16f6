"""Counters that only grow, marks that only rise, and positions of sinks."""

from __future__ import annotations

import json
from collections.abc import Mapping

from exporter.state.connection import Table


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
        """Add or replace positions."""
        self._db.executemany(
            "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
            [(sink, key, position) for key, position in positions.items()],
        )


class Marks(Table):
    """Values by name that only rise."""

    SCHEMA = ("CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER)",)

    def get(self, name: str) -> int | None:
        """Return the mark, or None where it was never raised."""
        with self._db.reading("marks"):
            value = self._db.value("SELECT value FROM marks WHERE name = ?", (name,))
            return None if value is None else int(value)

    def rise(self, name: str, value: int) -> None:
        """Raise the mark to ``value``, unless it is higher."""
        self._db.execute(
            "INSERT INTO marks VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
            (name, value),
        )


def last_seen(version: str, feature: str) -> str:
    """Return the name of the mark of a feature's newest value."""
    return f"feature {version}\0{feature}"
