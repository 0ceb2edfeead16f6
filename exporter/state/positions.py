"""How far each sink is read."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.state.connection import Connection


class Positions:
    """Positions by sink and key; their content is the sink's own affair."""

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS positions (sink TEXT, key TEXT, position TEXT, PRIMARY KEY (sink, key))",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def load(self, sink: str) -> dict[str, str]:
        """All positions of ``sink``."""
        with self._connection.reading("positions"):
            rows = self._connection.execute("SELECT key, position FROM positions WHERE sink = ?", (sink,))
            return dict(rows.fetchall())

    def save(self, sink: str, positions: Mapping[str, str]) -> None:
        """Add or replace positions."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
            [(sink, key, position) for key, position in positions.items()],
        )
