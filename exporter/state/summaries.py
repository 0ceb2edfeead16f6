"""Summaries by kind, version, segment and time bucket."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple, cast

import numpy as np

from exporter.state.connection import Connection
from exporter.state.packing import merge, packed
from exporter.state.ranges import Range, Ranges
from exporter.summary.base import Floats
from exporter.summary.shape import Shape


class Scope(NamedTuple):
    """Whose rows: of one version, and of one value of a segment; both empty for all traffic."""

    version: int
    segment: str = ""
    value: str = ""


_OF_SCOPE = "kind = ? AND version = ? AND segment = ? AND segment_value = ?"
_OF_BUCKET = f"{_OF_SCOPE} AND start = ?"


class Summaries:
    """Vectors of summaries, compressed but for the newest.

    A shape's digest is kept beside them; other shapes are never merged with it.
    """

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS summaries (kind TEXT, version INTEGER, segment TEXT, segment_value TEXT, "
        "start INTEGER, layout TEXT, vector BLOB, PRIMARY KEY (kind, version, segment, segment_value, start))",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ranges = Ranges()

    def add(self, shape: Shape, vectors: Iterable[tuple[Scope, int, Floats]]) -> None:
        """Merge ``vectors``, each (scope, bucket start, vector), into their buckets."""
        for scope, start, vector in vectors:
            self._ranges.added((shape.kind, scope), start, vector, shape)
            self._write(shape, scope, start, vector, compress=False)

    def between(self, shape: Shape, scope: Scope, edges: Sequence[int]) -> list[Floats]:
        """The merge of the buckets that start in each of [edges[i], edges[i + 1]); to be read only."""
        key = (shape.kind, *scope)
        rows = self._connection.execute(
            f"SELECT start FROM summaries WHERE {_OF_SCOPE} AND start >= ? AND start < ? ORDER BY start",
            (*key, edges[0], edges[-1]),
        ).fetchall()
        with self._connection.reading("summary"):
            starts = np.array([start for (start,) in rows], dtype=np.int64)
        cuts = np.searchsorted(starts, edges)
        return [
            self._merged(shape, scope, position, starts[cuts[position] : cuts[position + 1]].tolist())
            for position in range(len(edges) - 1)
        ]

    def scopes(self, kind: str, version: int, segment: str) -> list[Scope]:
        """The scopes of ``segment`` that have any bucket."""
        rows = self._connection.execute(
            "SELECT DISTINCT segment_value FROM summaries WHERE kind = ? AND version = ? AND segment = ? "
            "ORDER BY segment_value",
            (kind, version, segment),
        )
        return [Scope(version, segment, str(value)) for (value,) in rows]

    def compact(
        self, shape: Shape, version: int, coarser: Callable[[np.ndarray], np.ndarray], before: int
    ) -> None:
        """Merge buckets whose ``coarser`` start differs from their own; drop those that start before ``before``."""
        expired = self._connection.execute(
            "DELETE FROM summaries WHERE kind = ? AND version = ? AND start < ?",
            (shape.kind, version, before),
        )
        if expired.rowcount:
            self._ranges.dropped(lambda series: _is_of(series, shape.kind, version), before)
        rows = self._connection.execute(
            "SELECT segment, segment_value, start FROM summaries WHERE kind = ? AND version = ? ORDER BY start",
            (shape.kind, version),
        ).fetchall()
        if not rows:
            return
        starts = np.array([start for *_, start in rows], dtype=np.int64)
        targets = coarser(starts)
        for position in np.flatnonzero(targets != starts):
            segment, value, start = rows[position]
            self._move(shape, Scope(version, segment, value), start, int(targets[position]))

    def merge_scopes(self, shape: Shape, scope: Scope, into: Scope) -> None:
        """Make the buckets of ``scope`` part of those of ``into``."""
        rows = self._connection.execute(
            f"SELECT start, vector FROM summaries WHERE {_OF_SCOPE}", (shape.kind, *scope)
        ).fetchall()
        for start, content in rows:
            self.add(shape, [(into, start, self._unpacked(shape, [content]))])
        self._connection.execute(f"DELETE FROM summaries WHERE {_OF_SCOPE}", (shape.kind, *scope))
        self._ranges.dropped(lambda series: series == (shape.kind, scope))

    def drop_other_layouts(self, shape: Shape, version: int) -> int:
        """Delete what was counted over other edges; returns how many buckets that were."""
        cursor = self._connection.execute(
            "DELETE FROM summaries WHERE kind = ? AND version = ? AND layout != ?",
            (shape.kind, version, shape.digest),
        )
        if cursor.rowcount:
            self._ranges.dropped(lambda series: _is_of(series, shape.kind, version))
        return cursor.rowcount

    def drop_other_kinds(self, kinds: Sequence[str]) -> None:
        """Delete what is not counted any more."""
        marks = ", ".join("?" for _ in kinds)
        self._connection.execute(f"DELETE FROM summaries WHERE kind NOT IN ({marks})", tuple(kinds))
        self._ranges.clear()

    def drop_version(self, version: int) -> None:
        """Delete all buckets of a version."""
        self._connection.execute("DELETE FROM summaries WHERE version = ?", (version,))
        self._ranges.dropped(lambda series: _is_of(series, None, version))

    def forget_ranges(self) -> None:
        """Read all anew; for when what was written was not committed."""
        self._ranges.clear()

    def _merged(self, shape: Shape, scope: Scope, position: int, starts: list[int]) -> Floats:
        series = (shape.kind, scope)
        known = self._ranges.get(series, position, set(starts))
        if known is None:
            known = Range(shape.neutral.copy())
            self._ranges.keep(series, position, known)
        for start in starts:
            if start not in known.starts:
                with self._connection.reading("summary"):
                    merge(known.vector, self._content(shape, scope, start), shape)
                known.starts.add(start)
        return known.vector

    def _move(self, shape: Shape, scope: Scope, start: int, target: int) -> None:
        key = (shape.kind, *scope)
        vector = self._unpacked(shape, [self._content(shape, scope, start)])
        into_new = (
            self._connection.execute(f"SELECT 1 FROM summaries WHERE {_OF_BUCKET}", (*key, target)).fetchone()
            is None
        )
        self._connection.execute(f"DELETE FROM summaries WHERE {_OF_BUCKET}", (*key, start))
        self._ranges.moved((shape.kind, scope), start, target, vector, shape, into_new=into_new)
        self._write(shape, scope, target, vector, compress=True)

    def _write(self, shape: Shape, scope: Scope, start: int, vector: Floats, *, compress: bool) -> None:
        key = (shape.kind, *scope, start)
        row = self._connection.execute(
            f"SELECT vector FROM summaries WHERE {_OF_BUCKET} AND layout = ?", (*key, shape.digest)
        ).fetchone()
        if row is not None:
            before = self._unpacked(shape, [row[0]])
            shape.empty.merge_numbers(before, slice(None), vector)
            vector = before
        self._connection.execute(
            "INSERT OR REPLACE INTO summaries VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*key, shape.digest, packed(vector, shape, compress=compress)),
        )

    def _content(self, shape: Shape, scope: Scope, start: int) -> bytes:
        row = self._connection.execute(
            f"SELECT vector FROM summaries WHERE {_OF_BUCKET}", (shape.kind, *scope, start)
        ).fetchone()
        content: bytes = row[0]
        return content

    def _unpacked(self, shape: Shape, contents: Sequence[bytes]) -> Floats:
        vector = shape.neutral.copy()
        with self._connection.reading("summary"):
            for content in contents:
                merge(vector, content, shape)
        return vector


def _is_of(series: Hashable, kind: str | None, version: int) -> bool:
    of, scope = cast("tuple[str, Scope]", series)
    return scope.version == version and kind in (None, of)
