"""Combinations of segment and attribute values, as one number while a prediction waits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from exporter.state.connection import Connection


class Combinations:
    """Segment -> value, by number. One that no prediction has any more is forgotten."""

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS combinations (code INTEGER PRIMARY KEY, content TEXT, newest INTEGER)",
        "CREATE INDEX IF NOT EXISTS combinations_content ON combinations (content)",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def codes(self, contents: Sequence[Mapping[str, str]], newest: Sequence[int]) -> list[int]:
        """Return the number of each of ``contents``, 0 for an empty one. ``newest``: epoch µs of their rows."""
        found = [self._code(json.dumps(content, sort_keys=True)) if content else 0 for content in contents]
        self._connection.executemany(
            "UPDATE combinations SET newest = max(newest, ?) WHERE code = ?", zip(newest, found, strict=True)
        )
        return found

    def content(self, code: int) -> Mapping[str, str]:
        """Return what ``code`` stands for; nothing where that is not known."""
        row = self._connection.execute("SELECT content FROM combinations WHERE code = ?", (code,)).fetchone()
        with self._connection.reading("combination of segment values"):
            return {} if row is None else dict(json.loads(row[0]))

    def rename(self, segment: str, value: str, into: str) -> None:
        """Let predictions that had ``value`` have ``into`` instead."""
        rows = self._connection.execute("SELECT code, content FROM combinations").fetchall()
        changed = []
        with self._connection.reading("combination of segment values"):
            for code, text in rows:
                content = json.loads(text)
                if content.get(segment) == value:
                    changed.append((json.dumps({**content, segment: into}, sort_keys=True), code))
        self._connection.executemany("UPDATE combinations SET content = ? WHERE code = ?", changed)

    def expire(self, before: int) -> None:
        """Forget those of which no prediction is as young as ``before`` (epoch µs)."""
        self._connection.execute("DELETE FROM combinations WHERE newest < ?", (before,))

    def _code(self, text: str) -> int:
        row = self._connection.execute(
            "SELECT min(code) FROM combinations WHERE content = ?", (text,)
        ).fetchone()
        if row[0] is None:
            row = self._connection.execute(
                "INSERT INTO combinations (content) VALUES (?) RETURNING code", (text,)
            ).fetchone()
        return int(row[0])
