"""Requests that wait for their response, and responses that came before their request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exporter.state.connection import Table

# Some hundred bytes to some thousand each.
_MOST = 100_000
_CHUNK = 500


class Half(NamedTuple):
    """One of the two records of a prediction.

    ``key``: the id that both have. ``time``: epoch µs. ``content``: the record, as it was logged.
    """

    key: str
    time: int
    content: bytes


class Halves(Table):
    """Waiting halves by sink, role (``request`` or ``response``) and key; of one key the first of each role."""

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS halves (sink TEXT, role TEXT, key TEXT, time INTEGER, content BLOB, "
        "PRIMARY KEY (sink, role, key))",
        "CREATE INDEX IF NOT EXISTS halves_time ON halves (sink, time)",
    )

    def take(self, sink: str, role: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Remove the halves of ``keys`` that wait, and return their content by key."""
        found: dict[str, bytes] = {}
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            rows = self._db.execute(
                f"DELETE FROM halves WHERE sink = ? AND role = ? AND key IN ({', '.join('?' * len(chunk))}) "
                "RETURNING key, content",
                (sink, role, *chunk),
            )
            found.update(rows.fetchall())
        return found

    def add(self, sink: str, role: str, halves: Iterable[Half]) -> int:
        """Let ``halves`` wait; return how many do not, because one of their key waits already."""
        before = self._db.total_changes
        rows = [(sink, role, *half) for half in halves]
        self._db.executemany("INSERT OR IGNORE INTO halves VALUES (?, ?, ?, ?, ?)", rows)
        return len(rows) - (self._db.total_changes - before)

    def expire(self, sink: str, role: str, before: int, most: int) -> list[Half]:
        """Remove and return up to ``most`` halves from before ``before`` (epoch µs), the oldest first."""
        rows = self._db.execute(
            "DELETE FROM halves WHERE (sink, role, key) IN (SELECT sink, role, key FROM halves "
            "WHERE sink = ? AND role = ? AND time < ? ORDER BY time LIMIT ?) RETURNING key, time, content",
            (sink, role, before, most),
        )
        return sorted((Half(*row) for row in rows.fetchall()), key=lambda half: (half.time, half.key))

    def count(self, sink: str, role: str) -> int:
        """Return how many halves wait."""
        query = "SELECT count(*) FROM halves WHERE sink = ? AND role = ?"
        return int(self._db.value(query, (sink, role)))

    def trim(self, sink: str) -> int:
        """Drop the oldest halves past a hundred thousand, and return how many."""
        number = int(self._db.value("SELECT count(*) FROM halves WHERE sink = ?", (sink,)))
        if number <= _MOST:
            return 0
        self._db.execute(
            "DELETE FROM halves WHERE (sink, role, key) IN (SELECT sink, role, key FROM halves WHERE sink = ? "
            "ORDER BY time LIMIT ?)",
            (sink, number - _MOST),
        )
        return number - _MOST
