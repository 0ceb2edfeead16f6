"""All that a store has counted, free of its own numbering: stores of several machines merge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from exporter.state.counters import CLOCK, IDENTITY
from exporter.state.store import Store
from exporter.state.summaries import Content, Scope
from exporter.summary.base import Floats, Integers, Merge, Shape

ALL_VERSIONS = -1
"""Number of what is counted of all versions together; versions are numbered from 1."""


class BucketKey(NamedTuple):
    """``version``: its name; None for all together. ``start``: epoch µs."""

    kind: str
    digest: str
    version: str | None
    segment: str
    value: str
    start: int


Span = tuple[int, int]
"""Places of a vector: the first, and that after the last."""


@dataclass(frozen=True)
class Layout:
    """How vectors of one digest merge: ``width`` numbers, of which some are minima or maxima, and all others sums."""

    width: int
    minima: tuple[Span, ...] = ()
    maxima: tuple[Span, ...] = ()

    @classmethod
    def of(cls, shape: Shape) -> Layout:
        rules = np.concatenate([part.rules() for part in shape.empty.values()])
        return cls(len(rules), _spans(rules == Merge.MINIMUM.value), _spans(rules == Merge.MAXIMUM.value))

    @cached_property
    def _rules(self) -> np.ndarray:
        rules = np.full(self.width, Merge.SUM.value, dtype=np.uint8)
        for spans, rule in ((self.minima, Merge.MINIMUM), (self.maxima, Merge.MAXIMUM)):
            for first, end in spans:
                rules[first:end] = rule.value
        return rules

    @cached_property
    def neutral(self) -> Floats:
        """The vector of nothing."""
        rules = self._rules
        return np.where(
            rules == Merge.MINIMUM.value, np.inf, np.where(rules == Merge.MAXIMUM.value, -np.inf, 0.0)
        )

    def merged(self, contents: list[Content]) -> Content:
        """Return the merge of ``contents``, in their order."""
        if len(contents) == 1:
            return contents[0]
        places = np.concatenate([places for places, _ in contents]).astype(np.intp)
        numbers = np.concatenate([numbers for _, numbers in contents])
        rules, vector = self._rules[places], self.neutral.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            added = rules == Merge.SUM.value
            vector += np.bincount(places[added], numbers[added], self.width)
            for rule, ufunc in ((Merge.MINIMUM, np.minimum), (Merge.MAXIMUM, np.maximum)):
                mine = rules == rule.value
                ufunc.at(vector, places[mine], numbers[mine])
        changed = np.flatnonzero(vector != self.neutral)
        return changed.astype(np.uint32), vector[changed]


def _spans(flags: np.ndarray) -> tuple[Span, ...]:
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)).tolist()
    return tuple(zip(edges[::2], edges[1::2], strict=True))


@dataclass(frozen=True)
class Waiting:
    """Predictions that wait for labels, or had one, and labels that wait, by id.

    ``predictions``: time, version, segment values, score, predicted, payload, weight, label, its time, that of the
    first. ``early``: label, time, when it was read, weight, time of the first. ``left_out``: exponent -> until when.
    """

    predictions: Mapping[int, tuple[Any, ...]] = field(default_factory=dict)
    early: Mapping[int, tuple[Any, ...]] = field(default_factory=dict)
    left_out: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Portable:
    """What a store has counted.

    ``layouts``: by kind and digest. ``versions``: name -> event times of its first and newest prediction. ``sizes`` and
    ``dropped``: of segment values (``SegmentValues.sizes``). ``waiting``: None where it was not asked for.
    ``unchanged``: buckets whose content is left out, because the receiver has it or will ask for it.

    Not in it: positions in logs, records remembered to be told twice, halves of predictions, and samples of first
    records. They belong to one log.
    """

    layouts: Mapping[tuple[str, str], Layout] = field(default_factory=dict)
    buckets: Mapping[BucketKey, Content] = field(default_factory=dict)
    versions: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    counters: Mapping[tuple[str, tuple[str, ...]], float] = field(default_factory=dict)
    marks: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[tuple[str, str], tuple[float, bool]] = field(default_factory=dict)
    dropped: frozenset[int] = frozenset()
    waiting: Waiting | None = None
    unchanged: frozenset[BucketKey] = frozenset()


def version_names(store: Store) -> dict[int, str | None]:
    """Number -> name of the versions, and None for all together."""
    return {ALL_VERSIONS: None, **{number: known.name for number, known in store.versions.all().items()}}


def bucket_keys(
    store: Store, shape: Shape, names: Mapping[int, str | None]
) -> Iterator[tuple[BucketKey, Scope]]:
    """Yield the key of each bucket of a shape, and its scope in the store."""
    for scope, start in store.summaries.starts(shape):
        if scope.version in names:
            name = names[scope.version]
            yield BucketKey(shape.kind, shape.digest, name, scope.segment, scope.value, start), scope


def of(store: Store, shapes: Iterable[Shape], *, pending: bool = False) -> Portable:
    """Return what ``store`` has counted over ``shapes``; what waits for labels where ``pending``.

    The store must not be written to meanwhile. Raises StoreError where it is damaged.
    """
    names: dict[int, str | None] = {number: version.name for number, version in store.versions.all().items()}
    names[ALL_VERSIONS] = None
    layouts, buckets = {}, {}
    for shape in shapes:
        if (shape.kind, shape.digest) in layouts:
            continue
        layouts[shape.kind, shape.digest] = Layout.of(shape)
        for key, scope in bucket_keys(store, shape, names):
            buckets[key] = store.summaries.content(shape, scope, key.start)
    return Portable(
        layouts,
        buckets,
        {version.name: (version.began, version.seen) for version in store.versions.all().values()},
        store.counters.all(),
        {name: mark for name, mark in store.marks.all().items() if name not in (CLOCK, IDENTITY)},
        store.segments.sizes(),
        frozenset(store.segments.dropped()),
        _waiting(store, names) if pending else None,
    )


def merge(parts: Iterable[Portable]) -> Portable:
    """Return what one store would have counted that had read all of the logs.

    Associative and commutative, bit for bit where sums are exact: of counts, extremes and exact sums. Other sums are
    floats, and depend on their order in the last digits, as they do in one store. Raises ValueError where layouts of
    one digest differ.

    All parts must be of one monitor file and of the same references: then equal kinds have equal digests, and buckets
    lie on one grid of time. A store that was written later has merged more of its old buckets into longer ones of that
    grid. Whoever reads the merge compacts the others, as of a time that is not before that of any part; windows that
    end then are exact. Parts whose buckets are cut at some time need the same cuts.
    """
    parts = list(parts)
    layouts: dict[tuple[str, str], Layout] = {}
    contents: defaultdict[BucketKey, list[Content]] = defaultdict(list)
    versions: dict[str, tuple[int, int]] = {}
    counters: defaultdict[tuple[str, tuple[str, ...]], float] = defaultdict(float)
    marks: dict[str, int] = {}
    sizes: dict[tuple[str, str], tuple[float, bool]] = {}
    for part in parts:
        for of_layout, layout in part.layouts.items():
            if layouts.setdefault(of_layout, layout) != layout:
                raise ValueError(f"summaries of kind {of_layout[0]} have one digest, and merge differently")
        for key, content in part.buckets.items():
            contents[key].append(content)
        for name, (began, seen) in part.versions.items():
            known = versions.get(name, (began, seen))
            versions[name] = min(known[0], began), max(known[1], seen)
        for counter, total in part.counters.items():
            counters[counter] += total
        for name, mark in part.marks.items():
            marks[name] = max(mark, marks.get(name, mark))
        for value, (size, held) in part.sizes.items():
            other = sizes.get(value)
            sizes[value] = (
                (size, held) if other is None else (float(np.logaddexp2(size, other[0])), held or other[1])
            )
    return Portable(
        layouts,
        {key: layouts[key.kind, key.digest].merged(found) for key, found in contents.items()},
        versions,
        dict(counters),
        marks,
        sizes,
        frozenset().union(*(part.dropped for part in parts)),
        _merged_waiting([part.waiting for part in parts if part.waiting is not None]),
    )


def restore(portable: Portable, store: Store) -> tuple[Integers, list[Any], Integers]:
    """Write ``portable`` into an empty ``store``, in a transaction of the caller's.

    Returns labels whose prediction is there too, from another part (ids, labels, times): ``store.pending.label`` joins
    them. Raises ValueError where the store is not empty.
    """
    if store.versions.all():
        raise ValueError("a store that has counted already cannot be restored")
    numbers: dict[str | None, int] = {None: ALL_VERSIONS}
    for name, (began, seen) in sorted(portable.versions.items(), key=lambda item: (item[1], item[0])):
        numbers[name] = store.versions.number(name, began, seen)
    by_layout: defaultdict[tuple[str, str], list[tuple[Scope, int, Content]]] = defaultdict(list)
    for key, content in portable.buckets.items():
        scope = Scope(numbers[key.version], key.segment, key.value)
        by_layout[key.kind, key.digest].append((scope, key.start, content))
    for (kind, digest), buckets in by_layout.items():
        store.summaries.put(kind, digest, buckets)
    for (name, labels), total in portable.counters.items():
        store.counters.add(name, labels, total)
    for name, mark in portable.marks.items():
        store.marks.put(name, mark)
    store.segments.restore(portable.sizes, portable.dropped)
    return restore_waiting(portable.waiting or Waiting(), store)


def restore_waiting(waiting: Waiting, store: Store) -> tuple[Integers, list[Any], Integers]:
    """Write what waits into a ``store`` that knows the versions, and none of the ids; returns what ``restore`` does."""
    numbers = {version.name: number for number, version in store.versions.all().items()}
    predictions = []
    for identity, (time, version, values, *rest) in waiting.predictions.items():
        code = None if values is None else store.combinations.codes([dict(values)], [time])[0]
        predictions.append((identity, time, None if version is None else numbers[version], code, *rest))
    early = [(identity, *row) for identity, row in waiting.early.items()]
    store.pending.restore(
        predictions, [row for row in early if row[0] not in waiting.predictions], waiting.left_out
    )
    joined = [row for row in early if row[0] in waiting.predictions]
    ids, times = (np.array([row[place] for row in joined], dtype=np.int64) for place in (0, 2))
    return ids, [row[1] for row in joined], times


def waiting(store: Store) -> Waiting:
    """Return what waits for labels alone."""
    return _waiting(store, {number: version.name for number, version in store.versions.all().items()})


def _waiting(store: Store, names: Mapping[int, str | None]) -> Waiting:
    predictions, early, left_out = store.pending.rows()
    contents = {code: tuple(sorted(content.items())) for code, content in store.combinations.all().items()}
    return Waiting(
        {
            identity: (
                time,
                None if version is None else names[version],
                None if version is None else contents.get(code, ()),
                *rest,
            )
            for identity, time, version, code, *rest in predictions
            if version is None or version in names
        },
        {identity: tuple(row) for identity, *row in early},
        left_out,
    )


def _merged_waiting(parts: list[Waiting]) -> Waiting | None:
    """Of one id the prediction that has a label, else the earlier one; of its labels the earlier one."""
    if not parts:
        return None
    predictions: dict[int, tuple[Any, ...]] = {}
    early: dict[int, tuple[Any, ...]] = {}
    left_out: dict[int, int] = {}
    for part in parts:
        for identity, row in part.predictions.items():
            predictions[identity] = min(
                row, predictions.get(identity, row), key=lambda row: (row[7] is None, row[0], repr(row))
            )
        for identity, row in part.early.items():
            early[identity] = min(row, early.get(identity, row), key=lambda row: (row[1], repr(row)))
        for exponent, newest in part.left_out.items():
            left_out[exponent] = max(newest, left_out.get(exponent, newest))
    return Waiting(predictions, early, left_out)
