"""Model versions, and combinations of segment values, as one number each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from exporter.state.connection import Table


class Version(NamedTuple):
    """``began`` and ``seen``: event times (epoch µs) of its first and its newest prediction."""

    name: str
    began: int
    seen: int


class Versions(Table):
    """Versions by number."""

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS versions "
        "(id INTEGER PRIMARY KEY, name TEXT UNIQUE, began INTEGER, seen INTEGER)",
    )

    def number(self, name: str, first: int, last: int) -> int:
        """Return the number of a version that predicted from ``first`` to ``last`` (epoch µs); new on first sight."""
        self._db.execute(
            "INSERT INTO versions (name, began, seen) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE "
            "SET began = min(began, excluded.began), seen = max(seen, excluded.seen)",
            (name, first, last),
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
    """Segment -> value, by number. One that no prediction has any more is forgotten."""

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
            code = self._db.value("INSERT INTO combinations (content) VALUES (?) RETURNING code", (text,))
        return int(code)
