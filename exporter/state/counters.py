"""Counters that only grow, across restarts."""

from __future__ import annotations

import json

from exporter.state.connection import Connection


class Counters:
    """Totals by metric name and label values (without the model's)."""

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS counters (name TEXT, labels TEXT, total REAL, PRIMARY KEY (name, labels))",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, name: str, labels: tuple[str, ...], amount: float) -> None:
        """Count ``amount`` more; 0 makes the series known."""
        self._connection.execute(
            "INSERT INTO counters VALUES (?, ?, ?) "
            "ON CONFLICT (name, labels) DO UPDATE SET total = total + excluded.total",
            (name, json.dumps(labels), amount),
        )

    def totals(self, name: str) -> dict[tuple[str, ...], float]:
        """Label values -> total, in a stable order."""
        with self._connection.reading("counters"):
            rows = self._connection.execute("SELECT labels, total FROM counters WHERE name = ?", (name,))
            return dict(sorted((tuple(json.loads(labels)), float(total)) for labels, total in rows))
