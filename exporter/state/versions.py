"""Model versions that have predicted."""

from __future__ import annotations

from typing import NamedTuple

from exporter.state.connection import Connection


class Version(NamedTuple):
    """``began`` and ``seen``: event times (epoch µs) of its first and its newest prediction."""

    name: str
    began: int
    seen: int


class Versions:
    """Versions by number."""

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS versions "
        "(id INTEGER PRIMARY KEY, name TEXT UNIQUE, began INTEGER, seen INTEGER)",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def number(self, name: str, first: int, last: int) -> int:
        """Return the number of a version that predicted from ``first`` to ``last`` (epoch µs); new on first sight."""
        self._connection.execute(
            "INSERT INTO versions (name, began, seen) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE "
            "SET began = min(began, excluded.began), seen = max(seen, excluded.seen)",
            (name, first, last),
        )
        row = self._connection.execute("SELECT id FROM versions WHERE name = ?", (name,)).fetchone()
        return int(row[0])

    def all(self) -> dict[int, Version]:
        """Number -> version, by name."""
        rows = self._connection.execute("SELECT id, name, began, seen FROM versions ORDER BY name").fetchall()
        with self._connection.reading("versions"):
            return {
                int(number): Version(str(name), int(began), int(seen)) for number, name, began, seen in rows
            }

    def forget(self, before: int) -> list[int]:
        """Drop those that have not predicted since ``before`` (epoch µs), but for the last one that did."""
        rows = self._connection.execute(
            "DELETE FROM versions WHERE seen < ? AND seen < (SELECT max(seen) FROM versions) RETURNING id",
            (before,),
        ).fetchall()
        return [int(number) for (number,) in rows]
