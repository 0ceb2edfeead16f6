"""One batch of records: decode, fold, commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from exporter.layout import GROUP, OUTCOME, SELECTION, TRAFFIC, Layout
from exporter.layouts import Layouts
from exporter.measure.meta import last_seen
from exporter.monitor import Monitor
from exporter.prepared import Prepared
from exporter.records import (
    LABEL_REASONS,
    NO_TIME,
    PREDICTION_REASONS,
    LabelDecoder,
    PredictionColumns,
    PredictionDecoder,
    present,
)
from exporter.sinks import Batch
from exporter.sinks.reader import SinkReader
from exporter.state import OTHER, Matches, Scope, Store
from exporter.summary.base import Floats, Groups
from exporter.summary.composite import Composite
from exporter.summary.shape import Shape
from exporter.tasks.task import Labelled, Task
from exporter.windows import MICROSECONDS, Buckets

MOST_VERSIONS = 50
OTHER_VERSION = "other"

# Of summaries that are folded at a time: 16 MB, and some five times as much on the way.
_MOST_NUMBERS = 2 << 20

Integers = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]
Rows = TypeVar("Rows", Prepared, Labelled)


@dataclass(frozen=True)
class Moment:
    """When a cycle runs, in epoch µs.

    ``now``: where its windows end. ``latest``: events after this are from the future. ``cuts``: no bucket
    crosses them. ``measured``: ``now`` of the cycle before, None in the first.
    """

    now: int
    latest: int
    cuts: tuple[int, ...] = ()
    measured: int | None = None


@dataclass(frozen=True)
class Place:
    """Where rows belong: their version, and a value of each segment and attribute. Arrays of shape (rows,)."""

    version: Integers
    start: Integers
    values: dict[str, tuple[npt.NDArray[np.intp], list[str]]]

    def take(self, rows: Indices) -> Place:
        """Some rows, by index."""
        values = {name: (codes[rows], names) for name, (codes, names) in self.values.items()}
        return Place(self.version[rows], self.start[rows], values)


class Intake:
    """Takes batches of both logs of one model into its store, each in one transaction."""

    def __init__(
        self, monitor: Monitor, task: Task, layouts: Layouts, store: Store, buckets: Buckets
    ) -> None:
        spec = monitor.spec
        self._layouts = layouts
        self._store = store
        self._buckets = buckets
        self._fields = spec.predictions.fields
        self._segments = layouts.segments
        self._attributes = layouts.attributes
        store.segments.most = spec.maxSegmentValues
        self._decoder = self._new_decoder()
        self._labels = LabelDecoder(spec.labels.fields, task) if spec.labels else None
        if spec.labels:
            store.pending.limit = spec.labels.maxPending
        self._latency_bounds = np.array([bucket.seconds for bucket in spec.latencyBuckets])
        self._wait = int(spec.labels.maxDelay.seconds * MICROSECONDS) if spec.labels else 0

    def close(self) -> None:
        """Release the parsers."""
        self._decoder.close()
        if self._labels is not None:
            self._labels.close()

    def predictions(self, batch: Batch, reader: SinkReader, moment: Moment) -> None:
        """Take one batch of prediction records."""
        if self._revision != self._layouts.revision:
            self._decoder.close()
            self._decoder = self._new_decoder()
        columns = self._decoder.decode(batch.lines, moment.latest)
        with self._store.transaction():
            reader.commit(batch)
            self._count_records(
                reader.name, columns.records, columns.rejected, batch.too_long, columns.time, moment
            )
            versions, names = self._versions(columns)
            self._count_predictions(columns, versions, names)
            starts = self._buckets.start(columns.time, moment.now, moment.cuts)
            place = Place(versions, starts, self._values(columns))
            self._mark_features(columns, versions, names)
            kept = starts >= self._buckets.expired(moment.now)
            self._fold_predictions(columns, place, kept, names)
            if self._labels is not None:
                matches = self._wait_for_labels(columns, place, moment)
                self._outcomes(matches, moment)

    def labels(self, batch: Batch, reader: SinkReader, moment: Moment) -> None:
        """Take one batch of label records."""
        if self._labels is None:
            return
        columns = self._labels.decode(batch.lines, moment.latest)
        with self._store.transaction():
            reader.commit(batch)
            matches = self._store.pending.label(columns.id, columns.label, columns.time, moment.now)
            rejected = columns.rejected + Counter(
                {"duplicate": matches.duplicate, "sampled_out": matches.sampled_out}
            )
            known = columns.time[columns.time != NO_TIME]
            self._count_records(reader.name, columns.records, rejected, batch.too_long, known, None)
            self._store.counters.add("ml_labels_unmatched_total", (), matches.unmatched)
            self._outcomes(matches, moment)

    def tidy(self, moment: Moment) -> None:
        """Merge buckets that have grown old, drop what no window reaches any more."""
        with self._store.transaction():
            summaries = self._store.summaries
            expired = self._buckets.expired(moment.now)
            versions = self._store.versions.all()
            for number, version in versions.items():
                for shape in self._layouts.of(version.name).shapes.values():
                    summaries.compact(
                        shape,
                        number,
                        lambda starts: self._buckets.start(starts, moment.now, moment.cuts),
                        expired,
                    )
            self._exchange_segments()
            self._store.pending.expire(moment.now - self._wait)
            for number in self._store.versions.forget(expired):
                summaries.drop_version(number)

    def start_counters(self, sinks: list[str]) -> None:
        """Make counters known at 0, so that their first increase is seen as one."""
        counters = self._store.counters
        for sink in sinks:
            counters.add("ml_sink_records_total", (sink,), 0)
            counters.add("ml_sink_late_records_total", (sink,), 0)
            for reason in PREDICTION_REASONS if sink == "predictions" else LABEL_REASONS:
                counters.add("ml_sink_rejected_records_total", (sink, reason), 0)
        if self._labels is not None:
            counters.add("ml_labels_unmatched_total", (), 0)
        counters.add("ml_series_dropped_total", ("too_many_versions",), 0)
        if self._segments or self._attributes:
            counters.add("ml_series_dropped_total", ("too_many_segment_values",), 0)

    def _new_decoder(self) -> PredictionDecoder:
        self._revision = self._layouts.revision
        wanted = self._layouts.wanted()
        self._known = wanted.features
        return PredictionDecoder(wanted)

    def _count_records(
        self,
        sink: str,
        records: int,
        rejected: Counter[str],
        too_long: int,
        times: Integers,
        moment: Moment | None,
    ) -> None:
        counters = self._store.counters
        counters.add("ml_sink_records_total", (sink,), records + too_long)
        for reason, number in (rejected + Counter({"too_long": too_long})).items():
            counters.add("ml_sink_rejected_records_total", (sink, reason), number)
        if len(times):
            self._store.marks.rise(f"{sink} event", int(times.max()))
        if moment is not None and moment.measured is not None:
            measured = moment.measured - moment.measured % self._buckets.finest
            counters.add("ml_sink_late_records_total", (sink,), int(np.count_nonzero(times < measured)))

    def _versions(self, columns: PredictionColumns) -> tuple[Integers, dict[int, str]]:
        """Each row's version as the store numbers it, and names; past a number of versions, all others share one."""
        known = {version.name for version in self._store.versions.all().values()}
        numbers = np.zeros(len(columns.version.names), dtype=np.int64)
        names = {}
        for code, name in enumerate(columns.version.names):
            if name not in known and len(known) >= MOST_VERSIONS:
                self._store.counters.add("ml_series_dropped_total", ("too_many_versions",), 1)
                name = OTHER_VERSION
            known.add(name)
            times = columns.time[columns.version.codes == code]
            number = self._store.versions.number(name, int(times.min()), int(times.max()))
            numbers[code], names[number] = number, name
        return numbers[columns.version.codes], names

    def _values(self, columns: PredictionColumns) -> dict[str, tuple[npt.NDArray[np.intp], list[str]]]:
        """Scope -> each row's value as a code, and the values; small values past the limit share one."""
        segments = self._store.segments
        found = {}
        for name, texts in columns.scopes.items():
            numbers = np.bincount(texts.codes, minlength=len(texts.names)).tolist()
            dropped = segments.count(name, dict(zip(texts.names, numbers, strict=True)))
            self._store.counters.add("ml_series_dropped_total", ("too_many_segment_values",), dropped)
            shown = [segments.shown(name, value) for value in texts.names]
            distinct = list(dict.fromkeys(shown))
            recode = np.array([distinct.index(value) for value in shown], dtype=np.intp)
            found[name] = (recode[texts.codes] if len(recode) else texts.codes, distinct)
        return found

    def _count_predictions(
        self, columns: PredictionColumns, versions: Integers, names: dict[int, str]
    ) -> None:
        counters = self._store.counters
        for number, name in names.items():
            mine = versions == number
            counters.add("ml_predictions_total", (name,), int(np.count_nonzero(mine)))
            codes, errors = np.unique(columns.status[mine & (columns.status >= 400)], return_counts=True)
            for code, number_of_errors in zip(codes, errors, strict=True):
                text = str(code) if code < 600 else "other"
                counters.add("ml_prediction_errors_total", (name, text), int(number_of_errors))
            if self._fields.latency is not None:
                self._count_latency(columns.latency[mine], name)

    def _count_latency(self, latency: Floats, version: str) -> None:
        counters = self._store.counters
        usable = latency[latency >= 0]
        cells = np.searchsorted(self._latency_bounds, usable, side="left")
        counts = np.bincount(cells, minlength=len(self._latency_bounds) + 1)
        for bound, number in zip([*self._latency_bounds.tolist(), float("inf")], counts, strict=True):
            counters.add("ml_prediction_latency_seconds_bucket", (version, repr(bound)), int(number))
        counters.add("ml_prediction_latency_seconds_sum", (version,), float(usable.sum()))

    def _mark_features(self, columns: PredictionColumns, versions: Integers, names: dict[int, str]) -> None:
        """Remember when each feature was last there."""
        for number, name in names.items():
            layout = self._layouts.of(name)
            mine = versions == number
            for feature, kind in layout.kinds.items():
                view = kind.primary(feature)
                if view not in layout.frames:
                    continue
                there = mine & present(columns.features[view])
                if there.any():
                    self._store.marks.rise(last_seen(name, feature), int(columns.time[there].max()))

    def _fold_predictions(
        self,
        columns: PredictionColumns,
        place: Place,
        kept: npt.NDArray[np.bool_],
        names: dict[int, str],
    ) -> None:
        for layout, numbers in self._by_layout(names):
            mine = kept & np.isin(place.version, numbers) if len(names) > len(numbers) else kept
            rows = np.flatnonzero(mine)
            if not len(rows):
                continue
            prepared, here = layout.prepare(columns, self._known).take(rows), place.take(rows)
            for segment in ("", *self._segments):
                self._fold(layout.shapes[TRAFFIC], here, segment, prepared, layout.fold_traffic)
            for attribute in self._attributes:
                self._fold(layout.shapes[SELECTION], here, attribute, prepared, layout.fold_selection)

    def _wait_for_labels(self, columns: PredictionColumns, place: Place, moment: Moment) -> Matches:
        answers = columns.answers
        given = answers.given
        anonymous = given & (columns.id == 0)
        reason = ("predictions", "missing_id")
        self._store.counters.add("ml_sink_rejected_records_total", reason, int(np.count_nonzero(anonymous)))
        waiting = given & (columns.id != 0) & (columns.time >= moment.now - self._wait)
        return self._store.pending.add(
            columns.id[waiting],
            columns.time[waiting],
            place.version[waiting],
            self._combinations(place)[waiting],
            answers.score[waiting],
            answers.predicted[waiting],
            None if answers.payload is None else answers.payload[waiting],
            moment.now,
        )

    def _combinations(self, place: Place) -> Integers:
        """Each row's code of its values of all scopes."""
        combined = np.zeros(len(place.version), dtype=np.int64)
        if not place.values:
            return combined
        for codes, names in place.values.values():
            combined = combined * max(len(names), 1) + codes
        distinct, first, inverse = np.unique(combined, return_index=True, return_inverse=True)
        numbers = np.zeros(len(distinct), dtype=np.int64)
        for position, row in enumerate(first):
            values = {name: names[codes[row]] for name, (codes, names) in place.values.items()}
            numbers[position] = self._store.segments.combination(values)
        return numbers[inverse]

    def _outcomes(self, matches: Matches, moment: Moment) -> None:
        starts = self._buckets.start(matches.time, moment.now, moment.cuts)
        versions = self._store.versions.all()
        known = np.isin(matches.version, list(versions))
        rows = np.flatnonzero(known & (starts >= self._buckets.expired(moment.now)))
        if not len(rows):
            return
        delay = np.where(
            matches.label_time == NO_TIME, np.nan, (matches.label_time - matches.time) / MICROSECONDS
        )
        labelled = Labelled(
            score=matches.score,
            predicted=matches.predicted,
            payload=matches.payload if matches.payload is not None else np.full(len(matches.time), None),
            label=matches.label,
            delay=delay,
            weight=matches.weight,
        ).take(rows)
        place = Place(matches.version[rows], starts[rows], self._values_waited(matches.scope[rows]))
        names = {int(number): versions[int(number)].name for number in np.unique(place.version)}
        for layout, numbers in self._by_layout(names):
            mine = np.flatnonzero(np.isin(place.version, numbers))
            some, here = labelled.take(mine), place.take(mine)
            for segment in ("", *self._segments):
                self._fold(layout.shapes[OUTCOME], here, segment, some, layout.fold_outcome)
            for attribute in self._attributes:
                self._fold(layout.shapes[GROUP], here, attribute, some, layout.fold_group)

    def _values_waited(self, codes: Integers) -> dict[str, tuple[npt.NDArray[np.intp], list[str]]]:
        """The values of predictions that waited; one that has lost its series since counts as the others do."""
        segments = self._store.segments
        distinct, inverse = np.unique(codes, return_inverse=True)
        found = {}
        for name in dict.fromkeys((*self._segments, *self._attributes)):
            shown = [segments.shown(name, segments.combined(int(code)).get(name, "")) for code in distinct]
            names = list(dict.fromkeys(shown))
            recode = np.array([names.index(value) for value in shown], dtype=np.intp)
            found[name] = (recode[inverse], names)
        return found

    def _by_layout(self, names: dict[int, str]) -> list[tuple[Layout, list[int]]]:
        """The layouts of some versions, and which of them each is of."""
        grouped: dict[int, tuple[Layout, list[int]]] = {}
        for number, name in names.items():
            layout = self._layouts.of(name)
            grouped.setdefault(id(layout), (layout, []))[1].append(number)
        return list(grouped.values())

    def _fold(
        self,
        shape: Shape,
        place: Place,
        segment: str,
        rows: Rows,
        fold: Callable[[Rows, Groups, int], Composite],
    ) -> None:
        """Fold all rows by version, value of ``segment`` and bucket, and add them to their buckets."""
        names = [""]
        scopes = place.version
        if segment:
            codes, names = place.values[segment]
            scopes = place.version * len(names) + codes
        groups, pairs = _grouped(scopes, place.start)
        keys = [
            (Scope(scope // len(names), segment, names[scope % len(names)]), start) for scope, start in pairs
        ]
        for some, members, first, size in _portions(groups, len(keys), shape):
            vectors = fold(rows.take(some), members, size).vector()
            self._store.summaries.add(
                shape,
                (
                    (scope, start, vector)
                    for (scope, start), vector in zip(keys[first : first + size], vectors, strict=True)
                ),
            )

    def _exchange_segments(self) -> None:
        """Small values that others outgrew become part of ``other``."""
        segments, summaries = self._store.segments, self._store.summaries
        for name, value in segments.exchange():
            for number, version in self._store.versions.all().items():
                for shape in self._layouts.of(version.name).shapes.values():
                    summaries.merge_scopes(shape, Scope(number, name, value), Scope(number, name, OTHER))


def _grouped(scopes: Integers, starts: Integers) -> tuple[Groups, list[tuple[int, int]]]:
    """The group of each row, and each group's (scope, bucket start)."""
    if not len(starts):
        return np.empty(0, dtype=np.intp), []
    # One number per pair: sorting pairs costs ten times as much. Starts count from the first, for epoch µs
    # times a version's number (which only grows, as versions come and go) does not fit into 64 bits.
    factor, first = int(scopes.max()) + 1, int(starts.min())
    pairs, groups = np.unique((starts - first) * factor + scopes, return_inverse=True)
    return groups.astype(np.intp), [(pair % factor, pair // factor + first) for pair in pairs.tolist()]


def _portions(groups: Groups, size: int, shape: Shape) -> Iterator[tuple[Indices, Groups, int, int]]:
    """Rows, their groups, the first group and how many, so few at a time that their summaries fit into memory.

    A backlog of many versions has thousands of buckets, and a summary of outcomes is 260 kB.
    """
    step = max(1, _MOST_NUMBERS // shape.neutral.size)
    for first in range(0, size, step):
        number = min(step, size - first)
        if number == size:
            rows = np.arange(len(groups))
        else:
            rows = np.flatnonzero((groups >= first) & (groups < first + number))
        yield rows, groups[rows] - first, first, number
