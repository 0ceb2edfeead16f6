"""Counters that only grow, across restarts."""

from __future__ import annotations

import json

from exporter.state.connection import Connection

Key = tuple[str, tuple[str, ...]]


class Counters:
    """Totals by metric name and label values (without the model's)."""

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS counters (name TEXT, labels TEXT, total REAL, PRIMARY KEY (name, labels))",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        rows = connection.execute("SELECT name, labels, total FROM counters").fetchall()
        self._totals: dict[Key, float] = {
            (name, tuple(json.loads(labels))): total for name, labels, total in rows
        }
        self._before: dict[Key, float | None] = {}

    def add(self, name: str, labels: tuple[str, ...], amount: float) -> None:
        """Count ``amount`` more; 0 makes the series known. Kept with the next transaction that commits."""
        key = (name, labels)
        self._before.setdefault(key, self._totals.get(key))
        self._totals[key] = self._totals.get(key, 0.0) + amount

    def totals(self, name: str) -> dict[tuple[str, ...], float]:
        """Label values -> total, in a stable order."""
        found = {labels: total for (metric, labels), total in self._totals.items() if metric == name}
        return dict(sorted(found.items()))

    def save(self) -> None:
        """Write what changed; to be followed by ``keep`` or ``restore``."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO counters VALUES (?, ?, ?)",
            [(name, json.dumps(labels), self._totals[name, labels]) for name, labels in self._before],
        )

    def keep(self) -> None:
        """What was saved is committed."""
        self._before.clear()

    def restore(self) -> None:
        """Forget what was added since the last ``keep``."""
        for key, total in self._before.items():
            if total is None:
                self._totals.pop(key, None)
            else:
                self._totals[key] = total
        self._before.clear()
