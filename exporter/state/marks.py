"""High-water marks: the newest of something that was seen."""

from __future__ import annotations

from exporter.state.connection import Connection


class Marks:
    """Values by name that only rise."""

    SCHEMA = ("CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER)",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> int | None:
        """The mark, or None where it was never raised."""
        with self._connection.reading("marks"):
            row = self._connection.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
            return None if row is None else int(row[0])

    def rise(self, name: str, value: int) -> None:
        """Raise the mark to ``value``, unless it is higher."""
        self._connection.execute(
            "INSERT INTO marks VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
            (name, value),
        )


def last_seen(version: str, feature: str) -> str:
    """The mark of a feature's newest value."""
    return f"feature {version}\0{feature}"
