"""Counters and marks of what was read, by the step at which it came."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from functools import partial

import numpy as np

from exporter.fold.counting import Counting, error_code
from exporter.fold.deliveries import Deliveries
from exporter.fold.grouping import CycleTime
from exporter.fold.version_schemas import VersionSchemas
from exporter.records.columns import ERROR, PredictionColumns
from exporter.records.features import present
from exporter.replay.steps import BEFORE_ALL, Grid, Track
from exporter.state import Store, last_seen
from exporter.state.counters import Counters, Marks
from exporter.summary.base import Integers
from exporter.summary.windows import Buckets
from mlslo.monitor import Spec

_ONE = np.ones(1)


class PastCounters(Counters):
    """Counters as of ``step``. What is added without a step was there before the first."""

    def __init__(self) -> None:
        self.step = BEFORE_ALL
        self.tracks: dict[str, dict[tuple[str, ...], Track]] = {}

    def add(self, name: str, labels: tuple[str, ...], amount: float) -> None:
        """Count ``amount`` more, of which nobody knows when it came."""
        self.add_at(name, labels, np.array([BEFORE_ALL]), amount * _ONE)

    def add_at(
        self, name: str, labels: tuple[str, ...], steps: Integers, amounts: np.ndarray | None = None
    ) -> None:
        """Count ``amounts``, or 1 each, at ``steps``."""
        track = self.tracks.setdefault(name, {}).setdefault(labels, Track())
        track.add(steps, np.ones(len(steps)) if amounts is None else amounts)

    def totals(self, name: str) -> dict[tuple[str, ...], float]:
        """Label values -> total as of ``step``, in a stable order."""
        known = ((labels, track.at(self.step)) for labels, track in self.tracks.get(name, {}).items())
        return dict(sorted((labels, total) for labels, total in known if total is not None))


class PastMarks(Marks):
    """Marks as of ``step``."""

    def __init__(self) -> None:
        self.step = BEFORE_ALL
        self.tracks: dict[str, Track] = defaultdict(partial(Track, highest=True))

    def rise_at(self, name: str, steps: Integers, values: Integers) -> None:
        """Raise the mark to each of ``values`` at its step."""
        self.tracks[name].add(steps, values)

    def newest(self, name: str) -> int | None:
        """Return what the mark is in the end."""
        value = self.tracks[name].at(np.iinfo(np.int64).max) if name in self.tracks else None
        return None if value is None else int(value)

    def get(self, name: str) -> int | None:
        """Return the mark as of ``step``, or None where it was never raised by then."""
        if name not in self.tracks:
            return None
        value = self.tracks[name].at(self.step)
        return None if value is None else int(value)


class PastCounting(Counting):
    """Counts records by the step at which they came: that of their own time."""

    def __init__(
        self, model: str, spec: Spec, schemas: VersionSchemas, store: Store, buckets: Buckets, grid: Grid
    ) -> None:
        super().__init__(model, spec, schemas, store, buckets)
        self._grid = grid
        self.counters, self.marks = PastCounters(), PastMarks()
        self.seen: dict[int, Track] = defaultdict(partial(Track, highest=True))
        """Number of a version -> time of its newest prediction."""
        self.first: int | None = None
        """Time of the first prediction."""
        store.counters, store.marks = self.counters, self.marks

    def records(
        self,
        sink: str,
        records: int,
        rejected: Counter[str],
        passed_over: Counter[str],
        times: Integers,
        cycle: CycleTime,
        *,
        may_be_late: bool,
    ) -> None:
        """Count what a batch of ``sink`` held; what has no time was there before the first step."""
        steps = self._grid.first_from(times)
        if sink == "predictions" and len(times):
            self.first = min(self.first or np.iinfo(np.int64).max, int(times.min()))
        untimed = records + passed_over.total() - len(times)
        self.counters.add("ml_sink_records_total", (sink,), untimed)
        self.counters.add_at("ml_sink_records_total", (sink,), steps)
        for reason, number in (rejected + passed_over).items():
            self.counters.add("ml_sink_rejected_records_total", (sink, reason), number)
        self.marks.rise_at(f"{sink} event", steps, times)

    def predictions(self, columns: PredictionColumns, versions: Integers, names: dict[int, str]) -> None:
        """Count usable predictions, errors and latencies by version."""
        self._doubt_unit(columns.latency)
        steps = self._grid.first_from(columns.time)
        for number, name in names.items():
            mine = versions == number
            if not mine.any():
                continue
            self.seen[number].add(steps[mine], columns.time[mine])
            self.counters.add_at("ml_predictions_total", (name,), steps[mine])
            failed = mine & (columns.status >= ERROR)
            for code in np.unique(columns.status[failed]).tolist():
                labels = (name, error_code(code))
                of_code = steps[failed & (columns.status == code)]
                self.counters.add_at("ml_prediction_errors_total", labels, of_code)
            if self._timed:
                self._count_latencies(columns.latency[mine], steps[mine], name)

    def _count_latencies(self, latency: np.ndarray, steps: Integers, version: str) -> None:
        # Every bound is known from the first prediction on.
        begun = steps.min(keepdims=True)
        usable = latency >= 0
        latency, steps = latency[usable], steps[usable]
        cells = np.searchsorted(self._latency_bounds, latency, side="left")
        for cell, bound in enumerate([*self._latency_bounds.tolist(), float("inf")]):
            labels = (version, repr(bound))
            self.counters.add_at("ml_prediction_latency_seconds_bucket", labels, begun, 0 * _ONE)
            self.counters.add_at("ml_prediction_latency_seconds_bucket", labels, steps[cells == cell])
        self.counters.add_at("ml_prediction_latency_seconds_sum", (version,), begun, 0 * _ONE)
        self.counters.add_at("ml_prediction_latency_seconds_sum", (version,), steps, latency)

    def mark_features(
        self, columns: PredictionColumns, versions: Integers, names: dict[int, str], cycle: CycleTime
    ) -> None:
        """Remember when each feature was last there."""
        steps = self._grid.first_from(columns.time)
        for number, name in names.items():
            schema = self._schemas.of(name)
            mine = versions == number
            for feature, kind in schema.kinds.items():
                if (view := kind.primary(feature)) in schema.binnings:
                    there = mine & present(columns.features[view])
                    self.marks.rise_at(last_seen(name, feature), steps[there], columns.time[there])

    def newest(self, sink: str) -> int | None:
        """Return the time of the newest record of ``sink``."""
        return self.marks.newest(f"{sink} event")

    def repeated(self, times: Integers) -> None:
        """Count predictions that were delivered before."""
        steps = self._grid.first_from(times)
        self.counters.add_at("ml_sink_records_total", ("predictions",), steps)
        self.counters.add_at("ml_sink_rejected_records_total", ("predictions", "duplicate"), steps)


class PastDeliveries(Deliveries):
    """Has repeated records counted by step."""

    def __init__(self, model: str, spec: Spec, store: Store, counting: PastCounting) -> None:
        super().__init__(model, spec, store)
        self._counting = counting

    def first(self, columns: PredictionColumns) -> PredictionColumns:
        """Return the records that are delivered for the first time, as if there were no others."""
        kept = super().first(columns)
        number = len(columns.time) - len(kept.time)
        if not number:
            return kept
        times, counts = np.unique(columns.time, return_counts=True)
        of_kept, counts_kept = np.unique(kept.time, return_counts=True)
        counts[np.searchsorted(times, of_kept)] -= counts_kept
        self._counting.repeated(np.repeat(times, counts))
        return replace(
            kept, records=kept.records - number, rejected=kept.rejected - Counter({"duplicate": number})
        )
