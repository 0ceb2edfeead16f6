"""Summaries by kind, version, segment and time bucket."""

from __future__ import annotations

import secrets
import zlib
from bisect import bisect
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from exporter.state.connection import Connection, Table
from exporter.summary.base import Floats, Shape

_PLAIN = b"s"
_BYTES = 12  # of an index and its number
_CHECKSUM = 4
_BATCH = 200_000

Content = tuple[np.ndarray, Floats]
"""Places in a vector, and the numbers there."""


class Scope(NamedTuple):
    """One version, and one value of a segment; both of the latter empty for all traffic."""

    version: int
    segment: str = ""
    value: str = ""


_OF_SCOPE = "kind = ? AND version = ? AND segment = ? AND segment_value = ?"
_OF_BUCKET = f"{_OF_SCOPE} AND start = ?"


class Changes:
    """Revision in which each bucket was written last; those that were not since this was made have revision 0.

    ``epoch``: a random number. Revisions of another one do not compare.
    """

    _MOST = 500_000

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.epoch = secrets.randbits(62)
        self._revision = 1
        self._of: dict[tuple[str, Scope, int], int] = {}

    def note(self, kind: str, scope: Scope, start: int) -> None:
        """Note that a bucket is written."""
        if len(self._of) >= self._MOST:
            # Nobody has asked for long; whoever does gets everything.
            self._begin()
        self._of[kind, scope, start] = self._revision

    def of(self, kind: str, scope: Scope, start: int) -> int:
        """Return the revision of a bucket."""
        return self._of.get((kind, scope, start), 0)

    def end_revision(self, known: Container[tuple[str, Scope, int]]) -> int:
        """Begin the next revision, and return the one that ends; forget buckets that are not ``known``."""
        self._of = {key: revision for key, revision in self._of.items() if key in known}
        self._revision += 1
        return self._revision - 1


class Summaries(Table):
    """Vectors of summaries, compressed but for the newest.

    A shape's digest is kept beside them; other shapes are never merged with it.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.changes = Changes()

    SCHEMA = (
        "CREATE TABLE IF NOT EXISTS summaries (kind TEXT, version INTEGER, segment TEXT, segment_value TEXT, "
        "start INTEGER, layout TEXT, vector BLOB, PRIMARY KEY (kind, version, segment, segment_value, start))",
    )

    def add(
        self, shape: Shape, vectors: Iterable[tuple[Scope, int, Floats]], *, compress: bool = False
    ) -> None:
        """Merge ``vectors``, each (scope, bucket start, vector), into their buckets.

        ``compress`` what will not be changed soon.
        """
        for scope, start, vector in vectors:
            self.changes.note(shape.kind, scope, start)
            key = (shape.kind, *scope, start)
            row = self._db.execute(
                f"SELECT vector FROM summaries WHERE {_OF_BUCKET} AND layout = ?", (*key, shape.digest)
            ).fetchone()
            if row is not None:
                before = self._merged(shape, [row])
                shape.empty.merge_numbers(before, slice(None), vector)
                vector = before
            self._db.execute(
                "INSERT OR REPLACE INTO summaries VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*key, shape.digest, _packed(vector, shape, compress=compress)),
            )

    def starts(self, shape: Shape) -> list[tuple[Scope, int]]:
        """Return scope and start of every bucket of ``shape``."""
        rows = self._db.execute(
            "SELECT version, segment, segment_value, start FROM summaries WHERE kind = ? AND layout = ?",
            (shape.kind, shape.digest),
        )
        return [(Scope(version, segment, value), start) for version, segment, value, start in rows]

    def first(self, shape: Shape, scope: Scope) -> int | None:
        """Return the start of the first bucket of ``scope``; None where there is none."""
        query = f"SELECT min(start) FROM summaries WHERE {_OF_SCOPE} AND layout = ?"
        start = self._db.value(query, (shape.kind, *scope, shape.digest))
        return None if start is None else int(start)

    def content(self, shape: Shape, scope: Scope, start: int) -> Content:
        """Return what is in a bucket."""
        row = self._db.value(
            f"SELECT vector FROM summaries WHERE {_OF_BUCKET} AND layout = ?",
            (shape.kind, *scope, start, shape.digest),
        )
        with self._db.reading("summary"):
            return unpacked(row, shape.neutral.size)

    def put(self, kind: str, digest: str, buckets: Iterable[tuple[Scope, int, Content]]) -> None:
        """Add or replace buckets."""
        self._db.executemany(
            "INSERT OR REPLACE INTO summaries VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((kind, *scope, start, digest, packed(*content)) for scope, start, content in buckets),
        )

    def between(self, shape: Shape, scope: Scope, edges: Sequence[int]) -> list[Floats]:
        """Return the merge of the buckets that start in each of [edges[i], edges[i + 1])."""
        rows = self._db.execute(
            f"SELECT vector, start FROM summaries WHERE {_OF_SCOPE} AND start >= ? AND start < ? ORDER BY start",
            (shape.kind, *scope, edges[0], edges[-1]),
        ).fetchall()
        parts: list[list[tuple[bytes, int]]] = [[] for _ in edges[1:]]
        for row in rows:
            parts[bisect(edges, row[1]) - 1].append(row)
        return [self._merged(shape, part) for part in parts]

    def scopes(self, kind: str, version: int, segment: str) -> list[Scope]:
        """Return the scopes of ``segment`` that have any bucket."""
        rows = self._db.execute(
            "SELECT DISTINCT segment_value FROM summaries WHERE kind = ? AND version = ? AND segment = ? "
            "ORDER BY segment_value",
            (kind, version, segment),
        )
        return [Scope(version, segment, str(value)) for (value,) in rows]

    def compact(
        self, shape: Shape, version: int, coarser: Callable[[np.ndarray], np.ndarray], before: int
    ) -> None:
        """Merge buckets whose ``coarser`` start differs from their own; drop those that start before ``before``."""
        self._db.execute(
            "DELETE FROM summaries WHERE kind = ? AND version = ? AND start < ?",
            (shape.kind, version, before),
        )
        rows = self._db.execute(
            "SELECT segment, segment_value, start FROM summaries WHERE kind = ? AND version = ? ORDER BY start",
            (shape.kind, version),
        ).fetchall()
        starts = np.array([start for *_, start in rows], dtype=np.int64)
        targets = coarser(starts)
        for position in np.flatnonzero(targets != starts):
            segment, value, start = rows[position]
            scope = Scope(version, segment, value)
            content = self._db.execute(
                f"DELETE FROM summaries WHERE {_OF_BUCKET} RETURNING vector", (shape.kind, *scope, start)
            ).fetchall()
            moved = (scope, int(targets[position]), self._merged(shape, content))
            self.add(shape, [moved], compress=True)

    def merge_scopes(self, shape: Shape, scope: Scope, into: Scope) -> None:
        """Make the buckets of ``scope`` part of those of ``into``."""
        rows = self._db.execute(
            f"DELETE FROM summaries WHERE {_OF_SCOPE} RETURNING vector, start", (shape.kind, *scope)
        ).fetchall()
        self.add(shape, [(into, row[1], self._merged(shape, [row])) for row in rows])

    def convert(
        self, shape: Shape, version: int, digest: str, neutral: Floats, converted: Callable[[Floats], Floats]
    ) -> None:
        """Make the vectors of the shape of ``digest``, whose vector of nothing is ``neutral``, those of ``shape``."""
        of_kind = "kind = ? AND version = ? AND layout = ?"
        rows = self._db.execute(
            f"SELECT segment, segment_value, start, vector FROM summaries WHERE {of_kind}",
            (shape.kind, version, digest),
        ).fetchall()
        for segment, value, start, content in rows:
            vector = neutral.copy()
            with self._db.reading("summary"):
                places, numbers = unpacked(content, len(neutral))
                vector[places] = numbers
            self._db.execute(
                "INSERT OR REPLACE INTO summaries VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(shape.kind, version, segment, value, start, shape.digest),
                    _packed(converted(vector), shape, compress=True),
                ),
            )

    def drop_other_shapes(self, shape: Shape, version: int) -> int:
        """Delete what was counted over other edges; returns how many buckets that were."""
        cursor = self._db.execute(
            "DELETE FROM summaries WHERE kind = ? AND version = ? AND layout != ?",
            (shape.kind, version, shape.digest),
        )
        return cursor.rowcount

    def drop_other_kinds(self, kinds: Sequence[str]) -> set[str]:
        """Delete what is not counted any more; returns the kinds that there were."""
        marks = ", ".join("?" for _ in kinds)
        rows = self._db.execute(
            f"DELETE FROM summaries WHERE kind NOT IN ({marks}) RETURNING kind", tuple(kinds)
        ).fetchall()
        return {str(kind) for (kind,) in rows}

    def drop(self, kind: str, scope: Scope, start: int | None = None) -> None:
        """Delete a bucket, or all of a scope."""
        self._db.execute(
            f"DELETE FROM summaries WHERE {_OF_SCOPE} AND (?5 IS NULL OR start = ?5)", (kind, *scope, start)
        )

    def drop_version(self, version: int) -> None:
        """Delete all buckets of a version."""
        self._db.execute("DELETE FROM summaries WHERE version = ?", (version,))

    def _merged(self, shape: Shape, rows: Iterable[tuple[bytes, int]]) -> Floats:
        vector = shape.neutral.copy()
        with self._db.reading("summary"):
            for some in _batches(unpacked(content, shape.neutral.size) for content, *_ in rows):
                shape.empty.merge_all(vector, *map(np.concatenate, zip(*some, strict=True)))
        return vector


def _batches(contents: Iterable[Content]) -> Iterator[list[Content]]:
    """Yield lists of some 200,000 numbers: few calls for many small contents, and bounded memory."""
    batch: list[Content] = []
    size = 0
    for content in contents:
        batch.append(content)
        size += len(content[1])
        if size > _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _packed(vector: Floats, shape: Shape, *, compress: bool) -> bytes:
    """Return ``vector`` as bytes; most of its numbers are those of nothing, and left out."""
    changed = np.flatnonzero(vector != shape.neutral)
    plain = _plain(changed, vector[changed])
    return zlib.compress(plain, 1) if compress else plain + _checksum(plain)


def packed(places: np.ndarray, numbers: Floats) -> bytes:
    """Return the content of a bucket as bytes, which ``unpacked`` reads."""
    plain = _plain(places, numbers)
    return plain + _checksum(plain)


def _plain(places: np.ndarray, numbers: Floats) -> bytes:
    return _PLAIN + places.astype(np.uint32).tobytes() + numbers.tobytes()


def unpacked(content: bytes, width: int) -> Content:
    """Return places and numbers that ``_packed`` wrote of a vector. Raises ValueError where they are damaged."""
    try:
        plain = content[:-_CHECKSUM] if content[:1] == _PLAIN else zlib.decompress(content)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if content[:1] == _PLAIN and content[-_CHECKSUM:] != _checksum(plain):
        raise ValueError("bytes of another checksum")
    body = plain[1:]
    number = len(body) // _BYTES
    places = np.frombuffer(body[: 4 * number], dtype=np.uint32)
    if plain[:1] != _PLAIN or len(body) % _BYTES or (number and places[-1] >= width):
        raise ValueError(f"{len(plain)} bytes where {width} numbers are expected")
    # A slice: the indices may end where a number does not begin.
    return places, np.frombuffer(body[4 * number :], dtype=np.float64)


def _checksum(plain: bytes) -> bytes:
    return zlib.crc32(plain).to_bytes(_CHECKSUM, "little")
