"""Store of one model as of a step, for measuring alone."""

from __future__ import annotations

from bisect import bisect, bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from exporter.fold.folding import Folding
from exporter.fold.grouping import ScopeValues
from exporter.fold.schema import GROUP, OUTCOME, TRAFFIC
from exporter.references.configured import HistoryWindows
from exporter.replay.outcomes import Outcomes
from exporter.replay.reading import Reading
from exporter.replay.steps import Track
from exporter.state import OTHER, Scope, Store
from exporter.state.connection import Connection
from exporter.state.counters import Combinations, Version, Versions
from exporter.state.pending import Pending
from exporter.state.segments import SegmentValues
from exporter.state.summaries import Content, Summaries, unpacked
from exporter.summary.base import Floats, Integers, Shape
from exporter.summary.windows import Buckets, boundaries

_BLOCK = 32
"""Buckets that are merged once for all windows that hold all of them."""


class _Buckets:
    """The buckets of one scope, unpacked, by start."""

    def __init__(self, shape: Shape, rows: Sequence[tuple[int, bytes]]) -> None:
        self.starts = [start for start, _ in rows]
        self._shape = shape
        self._contents = [unpacked(content, shape.neutral.size) for _, content in rows]
        self._blocks: dict[int, Content] = {}

    def between(self, start: int, end: int) -> Floats:
        """Return the merge of those that start in [start, end)."""
        vector = self._shape.neutral.copy()
        first, last = bisect_left(self.starts, start), bisect_left(self.starts, end)
        parts = []
        while first < last:
            if first % _BLOCK == 0 and first + _BLOCK <= last:
                parts.append(self._block(first // _BLOCK))
                first += _BLOCK
            else:
                parts.append(self._contents[first])
                first += 1
        self._merge(vector, parts)
        return vector

    def _block(self, number: int) -> Content:
        if number not in self._blocks:
            vector = self._shape.neutral.copy()
            self._merge(vector, self._contents[number * _BLOCK : (number + 1) * _BLOCK])
            places = np.flatnonzero(vector != self._shape.neutral)
            self._blocks[number] = places.astype(np.uint32), vector[places]
        return self._blocks[number]

    def _merge(self, into: Floats, parts: Sequence[Content]) -> None:
        if parts:
            self._shape.empty.merge_all(into, *map(np.concatenate, zip(*parts, strict=True)))


class PastSummaries(Summaries):
    """Summaries as of a step: of predictions those that were read, of outcomes what is folded for the step."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._span = (0, 0)
        self._read: dict[tuple[str, Scope], _Buckets] = {}
        self._folded: dict[tuple[str, Scope], dict[int, Floats]] = {}
        self.expired = 0
        self.current: set[Scope] = set()

    def load(self, first: int, last: int) -> None:
        """Hold the buckets that start in [first, last) (epoch µs) when they are asked for; forget others."""
        self._span = (first, last)
        self._read.clear()

    def forget_outcomes(self) -> None:
        """Forget what was folded."""
        self._folded.clear()

    def add(
        self, shape: Shape, vectors: Iterable[tuple[Scope, int, Floats]], *, compress: bool = False
    ) -> None:
        """Merge vectors of outcomes into their parts."""
        for scope, start, vector in vectors:
            parts = self._folded.setdefault((shape.kind, scope), {})
            if start in parts:
                shape.empty.merge_numbers(parts[start], slice(None), vector)
            else:
                parts[start] = vector

    def between(self, shape: Shape, scope: Scope, edges: Sequence[int]) -> list[Floats]:
        """Return the merge of the buckets that start in each of [edges[i], edges[i + 1])."""
        if shape.kind in (OUTCOME, GROUP):
            parts = self._folded.get((shape.kind, scope), {})
            found = [shape.neutral.copy() for _ in edges[1:]]
            for start in sorted(parts):
                if edges[0] <= start < edges[-1]:
                    shape.empty.merge_numbers(found[bisect(edges, start) - 1], slice(None), parts[start])
            return found
        known = self._read.get((shape.kind, scope))
        if known is None:
            rows = self._db.execute(
                "SELECT start, vector FROM summaries WHERE kind = ? AND version = ? AND segment = ? "
                "AND segment_value = ? AND layout = ? AND start >= ? AND start < ? ORDER BY start",
                (shape.kind, *scope, shape.digest, *self._span),
            ).fetchall()
            known = self._read[shape.kind, scope] = _Buckets(shape, rows)
        return [known.between(start, end) for start, end in pairwise(edges)]

    def first(self, shape: Shape, scope: Scope) -> int | None:
        """Return the start of the first bucket of ``scope``; None where the daemon would have dropped it."""
        start = super().first(shape, scope)
        return start if start is not None and start >= self.expired else None

    def scopes(self, kind: str, version: int, segment: str) -> list[Scope]:
        """Return the scopes of ``segment`` that have any bucket."""
        folded = {scope for of, scope in self._folded if of == GROUP}
        found = folded if kind == GROUP else self.current
        return sorted(scope for scope in found if scope.version == version and scope.segment == segment)


class PastVersions(Versions):
    """Versions as of a step."""

    def __init__(self, known: Mapping[int, Version], seen: Mapping[int, Track]) -> None:
        self._known = known
        self._seen = seen
        self._current: dict[int, Version] = {}

    def to(self, step: int) -> None:
        """Go to a step."""
        newest = {number: self._seen[number].at(step) for number in self._known}
        self._current = {
            number: version._replace(seen=int(seen))
            for number, version in self._known.items()
            if (seen := newest[number]) is not None
        }

    def all(self) -> dict[int, Version]:
        """Number -> version, by name."""
        return self._current


class PastCombinations(Combinations):
    """Segment -> value, by number."""

    def __init__(self, known: Mapping[int, Mapping[str, str]]) -> None:
        self._known = known

    def content(self, code: int) -> Mapping[str, str]:
        """Return what ``code`` stands for; nothing where that is not known."""
        return self._known.get(code, {})


class PastSegments(SegmentValues):
    """Values of segments as of a step: of those that are counted by themselves in the end, which had come by then."""

    def __init__(self, held: Mapping[str, frozenset[str]]) -> None:
        self._held = held
        self._seen: dict[str, set[str]] = {}

    def to(self, seen: Iterable[Scope]) -> None:
        """Go to a step, by which the scopes ``seen`` had come."""
        self._seen = {}
        for scope in seen:
            self._seen.setdefault(scope.segment, set()).add(scope.value)

    def shown(self, segment: str, value: str) -> str:
        """Return the value under which rows with ``value`` are counted: itself, or OTHER."""
        return value if value in self._held.get(segment, ()) else OTHER

    def held(self, segment: str) -> frozenset[str]:
        """Return the values that have series of their own."""
        return self._held.get(segment, frozenset()) & self._seen.get(segment, set())


class PastPending(Pending):
    """How much waits for labels, as of ``step``."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self.step = 0

    def waiting(self) -> int:
        """Return how many predictions wait."""
        return self._outcomes.waiting(self.step)

    def sampling_ratio(self) -> float:
        """Return the share of new predictions that is kept to be joined, 1 where none is left out."""
        return self._outcomes.sampling_ratio(self.step)


class PastStore(Store):
    """The store as it was at a step; nothing can be written into it."""

    def __init__(self, reading: Reading, connection: Connection) -> None:
        """``connection``: to the file that ``reading`` has written."""
        self.path = None
        spec, ingestion = reading.monitor.spec, reading.ingestion
        self._grid = reading.grid
        self._steps = reading.buckets
        self._buckets = Buckets(
            [*(window.seconds for window in spec.windows), *HistoryWindows(spec.references).spans]
        )
        self._presence = ingestion.past_presence
        self._presence.read_from(self)
        self._newest = ingestion.past_folding.newest
        self._outcomes = reading.outcomes
        self.counters = self._counters = ingestion.past.counters
        self.marks = self._marks = ingestion.past.marks
        self.versions = self._versions = PastVersions(reading.versions, ingestion.past.seen)
        self.combinations = PastCombinations(reading.combinations)
        self.segments = self._segments = PastSegments(reading.held)
        self.pending = self._pending = PastPending(reading.outcomes)
        self.summaries = self._summaries = PastSummaries(connection)
        self._folding = Folding(reading.schemas, self)
        self._scopes = ScopeValues(reading.schemas, self)
        # A sequence of two versions begins where one of them did.
        self._began: list[int] = []
        if spec.comparison is not None and spec.comparison.sequential is not None:
            shapes = {n: reading.schemas.of(one.name).shapes[TRAFFIC] for n, one in reading.versions.items()}
            firsts = (self._summaries.first(shape, Scope(n)) for n, shape in shapes.items())
            self._began = [first for first in firsts if first is not None]

    def hold(self, first: int, last: int) -> None:
        """Hold what the steps from ``first`` to ``last`` need."""
        edges = boundaries(
            [*self._steps.windows(self._grid.time(first)), *self._steps.windows(self._grid.time(last))]
        )
        self._summaries.load(min([edges[0], *self._began]), edges[-1])

    def to(self, step: int) -> None:
        """Go to a step."""
        end = self._grid.time(step)
        windows = self._steps.windows(end)
        cuts = tuple(boundaries(windows))
        expired = self._summaries.expired = self._buckets.expired(end)

        def kept(times: Integers) -> Integers:
            return np.flatnonzero(self._buckets.start(times, end, cuts) >= expired)

        for part in (self._counters, self._marks, self._presence, self._pending):
            part.step = step
        self._versions.to(step)
        newest: dict[Scope, int] = {}
        for scope, track in self._newest.items():
            if (time := track.at(step)) is not None:
                # Values that others outgrew later share one all along.
                shown = scope._replace(value=self._segments.shown(scope.segment, scope.value))
                newest[shown] = max(int(time), newest.get(shown, int(time)))
        there, times = list(newest), np.array(list(newest.values()), dtype=np.int64)
        self._segments.to(there)
        self._summaries.current = {there[row] for row in kept(times).tolist()}
        self._summaries.forget_outcomes()
        names = {number: version.name for number, version in self._versions.all().items()}
        edges = np.array(
            sorted({expired, *cuts, *(began for began in self._began if expired < began < end)}),
            dtype=np.int64,
        )
        self._outcomes.fold(self._folding, self._scopes, names, step, edges, kept)
