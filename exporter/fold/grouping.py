"""Group rows by version, time bucket, and value of a segment or attribute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from exporter.fold.version_schemas import VersionSchemas
from exporter.records.columns import PredictionColumns, Texts
from exporter.state import Store
from exporter.summary.base import Codes, Columns, Groups, Integers, Rows, Shape

# Of summaries that are folded at a time: 16 MB, and some five times as much on the way.
_MOST_NUMBERS = 2 << 20

_LONG_STRETCH = 1000


@dataclass(frozen=True)
class CycleTime:
    """When a cycle runs, in epoch µs.

    ``now``: where its windows end. ``latest``: events after this are from the future. ``settled`` and ``reached``:
    the earlier and the later of ``now`` and the trusted time. What is dropped for its age is as old by ``settled``;
    what begins to wait does so at ``reached``. ``cuts``: no bucket crosses them. ``measured``: ``now`` of the cycle
    before, None in the first. ``arrived``: since when what it reads can be read, 0 where nobody writes any more.
    ``known``: events after this are left out, as if they were not logged yet; None where all are taken.
    """

    now: int
    latest: int
    settled: int
    reached: int
    cuts: tuple[int, ...] = ()
    measured: int | None = None
    arrived: int = 0
    known: int | None = None

    @property
    def trusted(self) -> int:
        """The trusted time."""
        return self.settled + self.reached - self.now


@dataclass(frozen=True)
class BucketKeys(Columns):
    """Version, time bucket, and value of each segment and attribute of rows. Arrays of shape (rows,).

    ``time``: epoch µs; ``start``: of the bucket that it falls into. A value's code is negative where it is not known.
    """

    version: Integers
    time: Integers
    start: Integers
    values: dict[str, Texts]


def grouped(codes: Codes, starts: Integers) -> tuple[Groups, list[tuple[int, int]]]:
    """Return the group of each row, and each group's (code, bucket start)."""
    if not len(starts):
        return np.empty(0, dtype=np.intp), []
    # One number per pair: sorting pairs costs ten times as much. Starts count from the first, to fit into 64 bits.
    factor, first = int(codes.max()) + 1, int(starts.min())
    numbers, groups = np.unique((starts - first) * factor + codes, return_inverse=True)
    return groups.astype(np.intp), [
        (number % factor, number // factor + first) for number in numbers.tolist()
    ]


def portions(groups: Groups, size: int, shape: Shape) -> Iterator[tuple[Rows, Groups, int, int]]:
    """Yield rows, their groups, the first group and how many, so few at a time that their summaries fit into memory.

    A backlog of many versions has thousands of buckets, and a summary of outcomes is 260 kB. Long stretches of rows of
    one group, as logs in the order of time have them, come one by one: nothing of them need be copied or sorted.
    """
    if size * _LONG_STRETCH < len(groups) and np.all(groups[1:] >= groups[:-1]):
        ends = np.searchsorted(groups, np.arange(size), side="right").tolist()
        for group, (start, end) in enumerate(pairwise([0, *ends])):
            yield slice(start, end), np.zeros(end - start, dtype=np.intp), group, 1
        return
    step = max(1, _MOST_NUMBERS // shape.neutral.size)
    for first in range(0, size, step):
        number = min(step, size - first)
        if number == size:
            rows = np.arange(len(groups))
        else:
            rows = np.flatnonzero((groups >= first) & (groups < first + number))
        yield rows, groups[rows] - first, first, number


class ScopeValues:
    """Values by segment or attribute, of rows that were read and of predictions that waited."""

    def __init__(self, schemas: VersionSchemas, store: Store) -> None:
        self._names = list(dict.fromkeys((*schemas.segments, *schemas.attributes)))
        self._store = store

    def read(self, columns: PredictionColumns) -> dict[str, Texts]:
        """Count the values of rows that were read; small ones past the limit share one."""
        segments = self._store.segments
        found = {}
        weights = segments.weights(columns.time) if columns.scopes else np.empty(0)
        for name, texts in columns.scopes.items():
            rows = np.bincount(texts.codes, weights=weights, minlength=len(texts.names)).tolist()
            dropped = segments.count(name, dict(zip(texts.names, rows, strict=True)))
            self._store.counters.add("ml_series_dropped_total", ("too_many_segment_values",), dropped)
            found[name] = _coded(segments.shown(name, value) for value in texts.names)[texts.codes]
        return found

    def combinations(self, keys: BucketKeys) -> Integers:
        """Return for each row the number of its values of all scopes."""
        if not keys.values or not len(keys.version):
            return np.zeros(len(keys.version), dtype=np.int64)
        combined = np.stack([texts.codes for texts in keys.values.values()], axis=1)
        distinct, first, inverse = np.unique(combined, axis=0, return_index=True, return_inverse=True)
        inverse = inverse.ravel()
        newest = np.full(len(distinct), np.iinfo(np.int64).min)
        np.maximum.at(newest, inverse, keys.time)
        contents = [
            {name: texts.names[texts.codes[row]] for name, texts in keys.values.items()} for row in first
        ]
        numbers = self._store.combinations.codes(contents, newest.tolist())
        return np.array(numbers, dtype=np.int64)[inverse]

    def of_pending(self, numbers: Integers) -> dict[str, Texts]:
        """The values of predictions that waited, by what ``combinations`` gave them.

        A segment that was not asked for when they came does not know them.
        """
        distinct, inverse = np.unique(numbers, return_inverse=True)
        contents = [self._store.combinations.content(number) for number in distinct.tolist()]
        return {name: _coded(content.get(name) for content in contents)[inverse] for name in self._names}


def _coded(values: Iterable[str | None]) -> Texts:
    """Each value as a code; None is -1."""
    codes: dict[str, int] = {}
    found = [-1 if value is None else codes.setdefault(value, len(codes)) for value in values]
    return Texts(np.array(found, dtype=np.intp), list(codes))
