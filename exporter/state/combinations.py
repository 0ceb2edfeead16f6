"""Which values of segments and attributes a prediction had, as one number while it waits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from exporter.state.connection import Connection

_MOST_CACHED = 50_000


class Combinations:
    """Segment -> value, by number. One that no prediction has any more is forgotten."""

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS combinations (code INTEGER PRIMARY KEY, content TEXT, newest INTEGER)",
        "CREATE INDEX IF NOT EXISTS combinations_content ON combinations (content)",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._codes: dict[str, int] = {}
        self._contents: dict[int, Mapping[str, str]] = {}

    def reload(self) -> None:
        """Go back to what is committed."""
        self._codes.clear()
        self._contents.clear()

    def codes(self, contents: Sequence[Mapping[str, str]], newest: Sequence[int]) -> list[int]:
        """The number of each of ``contents``, 0 for an empty one. ``newest``: event times (epoch µs) of their rows."""
        if len(self._codes) > _MOST_CACHED:
            self.reload()
        found = [self._code(json.dumps(content, sort_keys=True)) if content else 0 for content in contents]
        self._connection.executemany(
            "UPDATE combinations SET newest = max(newest, ?) WHERE code = ?", zip(newest, found, strict=True)
        )
        return found

    def content(self, code: int) -> Mapping[str, str]:
        """What ``code`` stands for; nothing where that is not known."""
        if code not in self._contents:
            row = self._connection.execute(
                "SELECT content FROM combinations WHERE code = ?", (code,)
            ).fetchone()
            with self._connection.reading("combination of segment values"):
                self._contents[code] = {} if row is None else dict(json.loads(row[0]))
        return self._contents[code]

    def rename(self, segment: str, value: str, into: str) -> None:
        """Predictions that had ``value`` have ``into`` instead."""
        rows = self._connection.execute("SELECT code, content FROM combinations").fetchall()
        changed = []
        with self._connection.reading("combination of segment values"):
            for code, text in rows:
                content = json.loads(text)
                if content.get(segment) == value:
                    changed.append((json.dumps({**content, segment: into}, sort_keys=True), code))
        self._connection.executemany("UPDATE combinations SET content = ? WHERE code = ?", changed)
        self.reload()

    def expire(self, before: int) -> None:
        """Forget those of which no prediction is as young as ``before`` (epoch µs)."""
        cursor = self._connection.execute("DELETE FROM combinations WHERE newest < ?", (before,))
        if cursor.rowcount:
            self.reload()

    def _code(self, text: str) -> int:
        if text not in self._codes:
            row = self._connection.execute(
                "SELECT min(code) FROM combinations WHERE content = ?", (text,)
            ).fetchone()
            if row[0] is None:
                row = self._connection.execute(
                    "INSERT INTO combinations (content) VALUES (?) RETURNING code", (text,)
                ).fetchone()
            self._codes[text] = int(row[0])
        return self._codes[text]
