"""Share of records in which something readable is at each mapped field, by time bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from exporter.fold.grouping import CycleTime
from exporter.records.columns import ERROR, NO_TIME, LabelColumns, PredictionColumns
from exporter.records.features import FeatureSet, present
from exporter.state import NO_VALUE, Scope, Store
from exporter.summary.base import Composite, Flags, Floats, Integers, Shape
from exporter.summary.presence import PresenceSummary
from exporter.summary.windows import Buckets, Window, boundaries
from mlslo.monitor import FeatureArray, Monitor, Spec

PRESENCE = "presence"

# Versions are numbered from 1. A version that is renamed, or gone, must not take its records out of the count.
_ALL_VERSIONS = Scope(-1)

# Erroneous records have these all the same.
_OF_ERRORS = ("version", "status", "latency")

Counts = Mapping[str, tuple[float, float]]
"""Field -> the records that should have it, and those that do."""


class FieldPresence:
    """Counts of all versions together. Predictions count when they happened, labels when they are read.

    ``shape``: of its summaries, over the fields that the monitor file maps.
    """

    def __init__(self, monitor: Monitor, store: Store, buckets: Buckets) -> None:
        self._spec = monitor.spec
        self._store = store
        self._buckets = buckets
        self.fields = tuple(mapped_fields(monitor.spec))
        empty = Composite({PRESENCE: PresenceSummary.nothing(self.fields)})
        digest = hashlib.sha256("\0".join(self.fields).encode()).hexdigest()[:16]
        self.shape = Shape(PRESENCE, digest, empty)

    def drop_other_fields(self) -> None:
        """Delete what was counted of other fields than the monitor file maps now."""
        self._store.summaries.drop_other_shapes(self.shape, _ALL_VERSIONS.version)

    def predictions(
        self, columns: PredictionColumns, known: FeatureSet, starts: Integers, cycle: CycleTime
    ) -> None:
        """Count one batch; ``starts``: of the bucket of each row. Records without a time are counted as of now."""
        refused = columns.rejected
        untimed = refused["missing_timestamp"] + refused["invalid_timestamp"]
        future = refused["future_timestamp"]
        if untimed or future:
            self._add_now({"timestamp": (untimed + future, future)}, cycle)
        if not len(starts):
            return
        # Stretches of rows of one bucket: logs in the order of time have few.
        first = np.concatenate([[0], np.flatnonzero(np.diff(starts)) + 1])
        buckets, place = np.unique(starts[first], return_inverse=True)
        answered = columns.status < ERROR
        of_all = np.bincount(place, np.diff([*first, len(starts)]), len(buckets))
        of_answers = of_all if answered.all() else _counted(answered, first, place, len(buckets))
        expected = np.zeros((len(buckets), len(self.fields)))
        found = np.zeros_like(expected)
        expected[:, 0] = found[:, 0] = of_all
        for name, flags in _present(columns, known, self._spec).items():
            position = self.fields.index(name)
            counts, flags = (of_all, flags) if name in _OF_ERRORS else (of_answers, flags | ~answered)
            expected[:, position] = counts
            if not flags.all():
                missing = _counted(~flags, first, place, len(buckets))
                counts = counts - missing
            found[:, position] = counts
        expired = self._buckets.expired(cycle.settled)
        kept = np.flatnonzero(buckets >= expired).tolist()
        self._store.summaries.add(
            self.shape,
            [(_ALL_VERSIONS, int(buckets[row]), np.concatenate([expected[row], found[row]])) for row in kept],
        )

    def labels(self, columns: LabelColumns, cycle: CycleTime) -> None:
        """Count one batch. A label without an id is looked at no further."""
        refused = columns.rejected
        read = columns.records - refused["malformed"] - refused["too_long"]
        identified = read - refused["missing_id"]
        labelled = identified - refused["invalid_label"]
        timed = int(np.count_nonzero(columns.time != NO_TIME)) + refused["future_timestamp"]
        self._add_now(
            {
                "labels.id": (read, identified),
                "labels.label": (identified, labelled),
                "labels.timestamp": (labelled, timed),
            },
            cycle,
        )

    def compact(self, cycle: CycleTime) -> None:
        """Merge buckets that have grown old, drop what no window reaches any more."""
        self._store.summaries.compact(
            self.shape,
            _ALL_VERSIONS.version,
            lambda starts: self._buckets.start(starts, cycle.settled, cycle.cuts),
            self._buckets.expired(cycle.settled),
        )

    def of_windows(self, windows: Sequence[Window]) -> Iterator[PresenceSummary]:
        """Yield the counts of each window, the shortest first. All end at the same time."""
        edges = boundaries(windows)
        parts = self._store.summaries.between(self.shape, _ALL_VERSIONS, edges)
        vector = self.shape.neutral.copy()
        for part in reversed(parts):
            vector = vector + part
            yield self.shape.empty.with_vector(vector)[PRESENCE]

    def _add_now(self, counts: Counts, cycle: CycleTime) -> None:
        expected, found = (
            np.array([counts.get(name, (0, 0))[side] for name in self.fields], dtype=np.float64)
            for side in (0, 1)
        )
        # Windows end before now.
        start = int(self._buckets.start(np.array([cycle.now - 1]), cycle.now, cycle.cuts)[0])
        self._store.summaries.add(self.shape, [(_ALL_VERSIONS, start, np.concatenate([expected, found]))])


def mapped_fields(spec: Spec) -> Iterator[str]:
    """Yield the fields that are counted, the timestamp first."""
    fields = spec.predictions.fields
    yield "timestamp"
    for name in ("version", "status", "latency", "score", "fallback", "attributions"):
        if getattr(fields, name) is not None:
            yield name
    # A regression's score is its prediction.
    if fields.prediction is not None and not (spec.task == "regression" and fields.score is not None):
        yield "prediction"
    if isinstance(fields.features, str | FeatureArray):
        yield "features"
    for path in spec.segments:
        if isinstance(path, str):
            yield f"segments.{path}"
    if spec.labels is not None:
        if fields.id is not None:
            yield "id"
        yield from ("labels.id", "labels.label")
        if spec.labels.fields.timestamp is not None:
            yield "labels.timestamp"


def _present(columns: PredictionColumns, known: FeatureSet, spec: Spec) -> dict[str, Flags]:
    """Field -> rows that have it. Fields of which nothing was decoded are left out."""
    fields, outputs = spec.predictions.fields, columns.outputs
    found: dict[str, Flags] = {}
    if fields.version is not None:
        found["version"] = columns.version.codes != _code(columns.version.names, "")
    if fields.status is not None:
        found["status"] = columns.status >= 0
    if fields.latency is not None:
        found["latency"] = ~np.isnan(columns.latency)
    if fields.score is not None and not (spec.task == "ranking" and fields.prediction is None):
        found["score"] = ~np.isnan(outputs.score)
    if fields.prediction is not None and not (spec.task == "regression" and fields.score is not None):
        found["prediction"] = outputs.given if columns.classified is None else columns.classified
    if fields.fallback is not None:
        found["fallback"] = columns.fallback >= 0
    if columns.attributions is not None and columns.attributions.shape[1]:
        found["attributions"] = np.asarray(np.isfinite(columns.attributions).any(axis=1), dtype=bool)
    if isinstance(fields.features, str | FeatureArray) and known.kinds:
        found["features"] = _some_feature(columns, known)
    for path in spec.segments:
        if isinstance(path, str) and path in columns.scopes:
            texts = columns.scopes[path]
            found[f"segments.{path}"] = texts.codes != _code(texts.names, NO_VALUE)
    if spec.labels is not None and fields.id is not None:
        found["id"] = columns.id != 0
    return found


def _some_feature(columns: PredictionColumns, known: FeatureSet) -> Flags:
    """Return the rows that have any feature; most often the first tells of all."""
    found = np.zeros(len(columns.time), dtype=bool)
    for name, kind in known.kinds.items():
        values = columns.features.get(kind.primary(name))
        if values is not None:
            found |= present(values)
            if found.all():
                break
    return found


def _code(names: Sequence[str], name: str) -> int:
    """Return the code of ``name``; one that no row has where it is not among ``names``."""
    return names.index(name) if name in names else len(names)


def _counted(flags: Flags, first: Integers, place: Integers, size: int) -> Floats:
    """Count ``flags`` by bucket: stretches of rows begin at ``first``, and belong to the bucket ``place``."""
    return np.bincount(place, np.add.reduceat(flags, first, dtype=np.int64), size).astype(np.float64)
