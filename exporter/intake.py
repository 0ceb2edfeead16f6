"""One batch of records: decode, fold, commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.layout import Layout
from exporter.monitor import Monitor
from exporter.records import (
    LABEL_REASONS,
    NO_TIME,
    PREDICTION_REASONS,
    LabelDecoder,
    PredictionColumns,
    PredictionDecoder,
)
from exporter.sinks import Batch
from exporter.sinks.reader import SinkReader
from exporter.state import Matches, Store
from exporter.summary.base import Floats
from exporter.summary.composite import Composite
from exporter.windows import MICROSECONDS, Buckets

MOST_VERSIONS = 50
OTHER_VERSION = "other"

# Of summaries that are folded at a time: 16 MB, and some five times as much on the way.
_MOST_NUMBERS = 2 << 20

Integers = npt.NDArray[np.int64]


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


class Intake:
    """Takes batches of both logs of one model into its store, each in one transaction."""

    def __init__(self, monitor: Monitor, layout: Layout, store: Store, buckets: Buckets) -> None:
        spec = monitor.spec
        binary = spec.task == "binary"
        positive_class = spec.predictions.positiveClass
        self._layout = layout
        self._store = store
        self._buckets = buckets
        self._predictions = PredictionDecoder(
            spec.predictions.fields, layout.categories, probability=binary, positive_class=positive_class
        )
        self._labels = (
            LabelDecoder(spec.labels.fields, positive_class=positive_class)
            if spec.labels and binary
            else None
        )
        self._joins = self._labels is not None
        self._latency_bounds = np.array([bucket.seconds for bucket in spec.latencyBuckets])
        self._has_latency = spec.predictions.fields.latency is not None
        self._wait = int(spec.labels.maxDelay.seconds * MICROSECONDS) if spec.labels else 0

    def close(self) -> None:
        """Release the parsers."""
        self._predictions.close()
        if self._labels is not None:
            self._labels.close()

    def predictions(self, batch: Batch, reader: SinkReader, moment: Moment) -> None:
        """Take one batch of prediction records."""
        columns = self._predictions.decode(batch.lines, moment.latest)
        with self._store.transaction():
            reader.commit(batch)
            self._count_records(
                reader.name, columns.records, columns.rejected, batch.too_long, columns.time, moment
            )
            versions = self._versions(columns)
            self._count_predictions(columns, versions)
            starts = self._buckets.start(columns.time, moment.now, moment.cuts)
            kept = starts >= self._buckets.expired(moment.now)
            groups, buckets = _grouped(versions[kept], starts[kept])
            usable = _rows(columns, kept)
            for rows, members, some in _portions(groups, buckets, self._layout.traffic):
                self._add("traffic", self._layout.fold_traffic(_rows(usable, rows), members, len(some)), some)
            if self._joins:
                self._outcomes(self._wait_for_labels(columns, versions, moment), moment)

    def labels(self, batch: Batch, reader: SinkReader, moment: Moment) -> None:
        """Take one batch of label records."""
        if self._labels is None:
            return
        columns = self._labels.decode(batch.lines, moment.latest)
        with self._store.transaction():
            reader.commit(batch)
            matches = self._store.pending.label(columns.id, columns.label, columns.time, moment.now)
            rejected = columns.rejected + Counter({"duplicate": matches.duplicate})
            known = columns.time[columns.time != NO_TIME]
            self._count_records(reader.name, columns.records, rejected, batch.too_long, known, None)
            self._store.counters.add("ml_labels_unmatched_total", (), matches.unmatched)
            self._outcomes(matches, moment)

    def tidy(self, moment: Moment) -> None:
        """Merge buckets that have grown old, drop what no window reaches any more."""
        with self._store.transaction():
            expired = self._buckets.expired(moment.now)
            for kind in ("traffic", "outcome"):
                self._store.summaries.compact(
                    kind,
                    self._layout.digest(kind),
                    getattr(self._layout, kind),
                    lambda starts: self._buckets.start(starts, moment.now, moment.cuts),
                    expired,
                )
            self._store.pending.expire(moment.now - self._wait)
            self._store.summaries.forget_versions(expired)

    def start_counters(self, sinks: list[str]) -> None:
        """Make counters known at 0, so that their first increase is seen as one."""
        counters = self._store.counters
        for sink in sinks:
            counters.add("ml_sink_records_total", (sink,), 0)
            counters.add("ml_sink_late_records_total", (sink,), 0)
            for reason in PREDICTION_REASONS if sink == "predictions" else LABEL_REASONS:
                counters.add("ml_sink_rejected_records_total", (sink, reason), 0)
        if self._joins:
            counters.add("ml_labels_unmatched_total", (), 0)
        counters.add("ml_series_dropped_total", ("too_many_versions",), 0)

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

    def _versions(self, columns: PredictionColumns) -> Integers:
        """The store's number of each row's version; past a number of versions, all others share one."""
        summaries = self._store.summaries
        known = {name for name, _ in summaries.versions().values()}
        numbers = np.zeros(len(columns.versions), dtype=np.int64)
        for code in np.unique(columns.version):
            name = columns.versions[code]
            if name not in known and len(known) >= MOST_VERSIONS:
                self._store.counters.add("ml_series_dropped_total", ("too_many_versions",), 1)
                name = OTHER_VERSION
            known.add(name)
            numbers[code] = summaries.version(name)
            summaries.seen(int(numbers[code]), int(columns.time[columns.version == code].max()))
        return numbers[columns.version]

    def _count_predictions(self, columns: PredictionColumns, versions: Integers) -> None:
        counters = self._store.counters
        names = {number: name for number, (name, _) in self._store.summaries.versions().items()}
        for number in np.unique(versions):
            mine, name = versions == number, names[int(number)]
            counters.add("ml_predictions_total", (name,), int(np.count_nonzero(mine)))
            codes, errors = np.unique(columns.status[mine & (columns.status >= 400)], return_counts=True)
            for code, number_of_errors in zip(codes, errors, strict=True):
                text = str(code) if code < 600 else "other"
                counters.add("ml_prediction_errors_total", (name, text), int(number_of_errors))
            if self._has_latency:
                self._count_latency(columns.latency[mine], name)

    def _count_latency(self, latency: Floats, version: str) -> None:
        counters = self._store.counters
        usable = latency[latency >= 0]
        cells = np.searchsorted(self._latency_bounds, usable, side="left")
        counts = np.bincount(cells, minlength=len(self._latency_bounds) + 1)
        for bound, number in zip([*self._latency_bounds.tolist(), float("inf")], counts, strict=True):
            counters.add("ml_prediction_latency_seconds_bucket", (version, repr(bound)), int(number))
        counters.add("ml_prediction_latency_seconds_sum", (version,), float(usable.sum()))

    def _wait_for_labels(self, columns: PredictionColumns, versions: Integers, moment: Moment) -> Matches:
        answered = columns.answered
        anonymous = answered & (columns.id == 0)
        reason = ("predictions", "missing_id")
        self._store.counters.add("ml_sink_rejected_records_total", reason, int(np.count_nonzero(anonymous)))
        waiting = answered & (columns.id != 0) & (columns.time >= moment.now - self._wait)
        return self._store.pending.add(
            columns.id[waiting],
            columns.time[waiting],
            versions[waiting],
            np.zeros(int(np.count_nonzero(waiting)), dtype=np.int64),
            columns.score[waiting],
            columns.predicted[waiting],
            None,
            moment.now,
        )

    def _outcomes(self, matches: Matches, moment: Moment) -> None:
        starts = self._buckets.start(matches.time, moment.now, moment.cuts)
        kept = starts >= self._buckets.expired(moment.now)
        if not kept.any():
            return
        groups, buckets = _grouped(matches.version[kept], starts[kept])
        delay = np.where(
            matches.label_time == NO_TIME, np.nan, (matches.label_time - matches.time) / MICROSECONDS
        )[kept]
        score, predicted, label = matches.score[kept], matches.predicted[kept], matches.label[kept]
        for rows, members, some in _portions(groups, buckets, self._layout.outcome):
            folded = self._layout.fold_outcome(
                score[rows], predicted[rows], label[rows], delay[rows], members, len(some)
            )
            self._add("outcome", folded, some)

    def _add(self, kind: str, folded: Composite, buckets: list[tuple[int, int]]) -> None:
        if buckets:
            shape: Composite = getattr(self._layout, kind)
            vectors = zip(buckets, folded.vector(), strict=True)
            self._store.summaries.add(kind, self._layout.digest(kind), shape, vectors)


def _grouped(versions: Integers, starts: Integers) -> tuple[npt.NDArray[np.intp], list[tuple[int, int]]]:
    """The group of each row, and each group's (version, bucket start)."""
    if not len(starts):
        return np.empty(0, dtype=np.intp), []
    # One number per pair: sorting pairs costs ten times as much. Starts count from the first, for epoch µs
    # times a version's number (which only grows, as versions come and go) does not fit into 64 bits.
    factor, first = int(versions.max()) + 1, int(starts.min())
    pairs, groups = np.unique((starts - first) * factor + versions, return_inverse=True)
    return groups.astype(np.intp), [(pair % factor, pair // factor + first) for pair in pairs.tolist()]


def _portions(
    groups: npt.NDArray[np.intp], buckets: list[tuple[int, int]], shape: Composite
) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp], list[tuple[int, int]]]]:
    """Rows, their groups and the buckets of these, so few at a time that their summaries fit into memory.

    A backlog of many versions has thousands of buckets, and a summary of outcomes is 260 kB.
    """
    step = max(1, _MOST_NUMBERS // shape.vector().size)
    for first in range(0, len(buckets), step):
        rows = (groups >= first) & (groups < first + step)
        yield rows, groups[rows] - first, buckets[first : first + step]


def _rows(columns: PredictionColumns, kept: npt.NDArray[np.bool_]) -> PredictionColumns:
    if kept.all():
        return columns
    return PredictionColumns(
        records=columns.records,
        rejected=columns.rejected,
        time=columns.time[kept],
        id=columns.id[kept],
        version=columns.version[kept],
        versions=columns.versions,
        status=columns.status[kept],
        latency=columns.latency[kept],
        score=columns.score[kept],
        predicted=columns.predicted[kept],
        features={name: values[kept] for name, values in columns.features.items()},
        has_features=columns.has_features[kept],
    )
