"""Summaries by kind, version and time bucket."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from exporter.state.connection import Connection
from exporter.summary.base import Floats
from exporter.summary.composite import Composite

Bucket = tuple[int, int]  # version, start

# All traffic: the segments are empty.
_OF_VERSION = "kind = ? AND version = ? AND segment = '' AND segment_value = ''"
_OF_BUCKET = f"{_OF_VERSION} AND start = ?"


class Summaries:
    """Vectors of summaries, compressed. ``layout`` names the shape; other shapes are never merged with it.

    ``segment`` and ``segment_value`` are empty for all traffic.
    """

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS versions (id INTEGER PRIMARY KEY, name TEXT UNIQUE, seen INTEGER)",
        "CREATE TABLE IF NOT EXISTS summaries (kind TEXT, version INTEGER, segment TEXT, segment_value TEXT, "
        "start INTEGER, layout TEXT, vector BLOB, PRIMARY KEY (kind, version, segment, segment_value, start))",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def version(self, name: str) -> int:
        """The number of a model version, made on first sight."""
        self._connection.execute("INSERT OR IGNORE INTO versions (name, seen) VALUES (?, 0)", (name,))
        row = self._connection.execute("SELECT id FROM versions WHERE name = ?", (name,)).fetchone()
        return int(row[0])

    def seen(self, version: int, time: int) -> None:
        """Remember that ``version`` predicted at ``time`` (epoch µs)."""
        self._connection.execute("UPDATE versions SET seen = max(seen, ?) WHERE id = ?", (time, version))

    def forget_versions(self, before: int) -> None:
        """Drop versions that have not predicted since ``before`` (epoch µs), but for the last one that did."""
        self._connection.execute(
            "DELETE FROM versions WHERE seen < ? AND seen < (SELECT max(seen) FROM versions)", (before,)
        )

    def versions(self) -> dict[int, tuple[str, int]]:
        """Number -> name and the event time (epoch µs) of its newest prediction."""
        rows = self._connection.execute("SELECT id, name, seen FROM versions ORDER BY name").fetchall()
        return {number: (name, seen) for number, name, seen in rows}

    def add(self, kind: str, layout: str, shape: Composite, vectors: Iterable[tuple[Bucket, Floats]]) -> None:
        """Merge ``vectors`` into their buckets."""
        for (version, start), vector in vectors:
            row = self._connection.execute(
                f"SELECT vector FROM summaries WHERE {_OF_BUCKET} AND layout = ?",
                (kind, version, start, layout),
            ).fetchone()
            merged = vector if row is None else shape.merge_vectors(self._unpacked(row[0], shape), vector)
            self._connection.execute(
                "INSERT OR REPLACE INTO summaries VALUES (?, ?, '', '', ?, ?, ?)",
                (kind, version, start, layout, _packed(merged)),
            )

    def between(
        self, kind: str, layout: str, shape: Composite, version: int, edges: Sequence[int]
    ) -> list[Composite]:
        """The merge of the buckets that start in each of [edges[i], edges[i + 1])."""
        merged: list[Floats | None] = [None] * (len(edges) - 1)
        rows = self._connection.execute(
            f"SELECT start, vector FROM summaries WHERE {_OF_VERSION} "
            "AND layout = ? AND start >= ? AND start < ? ORDER BY start",
            (kind, version, layout, edges[0], edges[-1]),
        )
        with self._connection.reading("summaries"):
            for start, blob in rows:
                position = int(np.searchsorted(edges, start, side="right")) - 1
                before, vector = merged[position], self._unpacked(blob, shape)
                merged[position] = vector if before is None else shape.merge_vectors(before, vector)
        return [shape if vector is None else shape.with_vector(vector) for vector in merged]

    def compact(
        self,
        kind: str,
        layout: str,
        shape: Composite,
        coarser: Callable[[np.ndarray], np.ndarray],
        before: int,
    ) -> None:
        """Merge buckets whose ``coarser`` start differs from their own; drop those that start before ``before``."""
        self._connection.execute("DELETE FROM summaries WHERE kind = ? AND start < ?", (kind, before))
        rows = self._connection.execute(
            "SELECT version, start FROM summaries WHERE kind = ? AND layout = ?", (kind, layout)
        ).fetchall()
        if not rows:
            return
        starts = np.array([start for _, start in rows], dtype=np.int64)
        targets = coarser(starts)
        for position in np.flatnonzero(targets != starts):
            version, start = rows[position]
            where = (kind, version, start)
            (blob,) = self._connection.execute(
                f"SELECT vector FROM summaries WHERE {_OF_BUCKET}", where
            ).fetchone()
            self._connection.execute(f"DELETE FROM summaries WHERE {_OF_BUCKET}", where)
            self.add(kind, layout, shape, [((version, int(targets[position])), self._unpacked(blob, shape))])

    def drop_other_layouts(self, kind: str, layout: str) -> int:
        """Delete what was counted over other edges; returns how many buckets that were."""
        cursor = self._connection.execute(
            "DELETE FROM summaries WHERE kind = ? AND layout != ?", (kind, layout)
        )
        return cursor.rowcount

    def _unpacked(self, blob: bytes, shape: Composite) -> Floats:
        try:
            vector = np.frombuffer(zlib.decompress(blob), dtype=np.float64)
        except (zlib.error, ValueError, TypeError) as error:
            raise self._connection.damaged(f"summary: {error}") from None
        expected = shape.vector().size
        if vector.size != expected:
            raise self._connection.damaged(f"summary: {vector.size} numbers instead of {expected}")
        return vector


def _packed(vector: Floats) -> bytes:
    return zlib.compress(vector.tobytes(), 1)
