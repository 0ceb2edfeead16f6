"""Ingestion for all steps of a replay at once: by the step at which each record came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from exporter.daemon.models import Model
from exporter.fold.field_presence import FieldPresence
from exporter.fold.folding import Folding
from exporter.fold.grouping import BucketKeys, CycleTime
from exporter.fold.ingestion import Ingestion
from exporter.fold.version_schemas import VersionSchemas
from exporter.records.columns import NO_TIME, LabelColumns, PredictionColumns
from exporter.records.features import FeatureSet
from exporter.records.reshaping import Reshaped, Reshaping, plain, reshapings
from exporter.replay.counting import PastCounting, PastDeliveries
from exporter.replay.steps import BEFORE_ALL, Grid, StepBuckets, Track, Tracks
from exporter.state import Matches, Scope, Store
from exporter.summary.base import Flags, Integers
from exporter.summary.presence import PresenceSummary
from exporter.tasks.task import Task
from mlslo.monitor import Monitor

Columns = tuple[Any, ...]
"""Arrays of the same rows."""


class PastPresence(FieldPresence):
    """Fields counted for all steps. What cannot be placed in time is in the newest bucket of each step."""

    def __init__(self, monitor: Monitor, store: Store, buckets: StepBuckets) -> None:
        super().__init__(monitor, store, buckets)
        self.expected, self.found = ({name: Track() for name in self.fields} for _ in range(2))
        self.step = BEFORE_ALL

    def read_from(self, store: Store) -> None:
        """Read the buckets of ``store`` from now on."""
        self._store = store

    def labels_at(self, steps: Integers, timed: Flags) -> None:
        """Count usable labels by the steps at which they came; ``timed``: those that say when that was."""
        ones = np.ones(len(steps))
        for name in ("labels.id", "labels.label", "labels.timestamp"):
            if name in self.fields:
                self.expected[name].add(steps, ones)
                self.found[name].add(steps, timed.astype(np.float64) if name == "labels.timestamp" else ones)

    def _add_now(self, counts: Any, cycle: CycleTime) -> None:
        for name, (expected, found) in counts.items():
            if name in self.fields:
                self.expected[name].add(np.array([BEFORE_ALL]), np.array([float(expected)]))
                self.found[name].add(np.array([BEFORE_ALL]), np.array([float(found)]))

    def of_windows(self, windows: Any) -> Any:
        """Yield the counts of each window as of ``step``, the shortest first."""
        expected, found = (
            np.array([side[name].at(self.step) or 0.0 for name in self.fields])
            for side in (self.expected, self.found)
        )
        for summary in super().of_windows(windows):
            yield PresenceSummary(summary.fields, summary.expected + expected, summary.present + found)


class PastFolding(Folding):
    """Remembers of each version and segment value when it was last there."""

    def __init__(self, schemas: VersionSchemas, store: Store, grid: Grid) -> None:
        super().__init__(schemas, store)
        self._grid = grid
        self.newest: dict[Scope, Track] = {}

    def fold_predictions(
        self,
        columns: PredictionColumns,
        known: FeatureSet,
        keys: BucketKeys,
        kept: Flags,
        names: dict[int, str],
    ) -> None:
        """Fold the predictions that are ``kept``."""
        super().fold_predictions(columns, known, keys, kept, names)
        steps = self._grid.first_from(keys.time)
        for segment, values in keys.values.items():
            for number in names:
                for code, value in enumerate(values.names):
                    mine = (keys.version == number) & (values.codes == code)
                    if mine.any():
                        track = self.newest.setdefault(Scope(number, segment, value), Track(highest=True))
                        track.add(steps[mine], keys.time[mine])


class PastIngestion(Ingestion):
    """Takes both logs; labels and the predictions that they are of are put aside, to be joined step by step."""

    def __init__(
        self,
        model: Model,
        task: Task,
        schemas: VersionSchemas,
        store: Store,
        buckets: StepBuckets,
        grid: Grid,
        shapes: Mapping[str, Reshaping] | None = None,
    ) -> None:
        """``shapes``: what makes records plain, by sink; None where they are as the user wrote them."""
        monitor = plain(model.monitor)
        shapes = shapes or reshapings(model.monitor, store)
        super().__init__(monitor, task, schemas, store, buckets, shapes, model.monitor.spec)
        spec = model.monitor.spec
        self.schemas = schemas
        self._grid = grid
        self.past = PastCounting(monitor.model, spec, schemas, store, buckets, grid)
        self.counting = self.past
        self.presence = self.past_presence = PastPresence(monitor, store, buckets)
        self._deliveries = PastDeliveries(monitor.model, spec, store, self.past)
        self._folding = self.past_folding = PastFolding(schemas, store, grid)
        # Unanswered: ids and times of those that no label can be compared with.
        self.aside: dict[str, list[Columns]] = {"waiting": [], "given": [], "unanswered": []}

    @property
    def tracks(self) -> Tracks:
        """All that changed from step to step."""
        return {
            "counters": self.past.counters.tracks,
            "marks": self.past.marks.tracks,
            "seen": self.past.seen,
            "newest": self.past_folding.newest,
            "expected": self.past_presence.expected,
            "found": self.past_presence.found,
        }

    def waiting(self) -> Columns:
        """Hand over the predictions that can have labels, by time: what ``Pending.add`` takes but for the last."""
        columns = _joined(self.aside["waiting"], 7)
        self.aside["waiting"].clear()
        return _taken(columns, np.argsort(columns[1], kind="stable"))

    def given(self, waiting: Columns) -> tuple[Columns, Integers]:
        """Hand over id, label and time of each label, and when it came, in that order.

        One that does not say so came with its prediction; where that is not known, before all.
        """
        columns = _joined(self.aside["given"], 3)
        self.aside["given"].clear()
        ids, _, times = columns
        arrivals = times.copy()
        untimed = np.flatnonzero(times == NO_TIME)
        predicted, when = (
            np.concatenate(column) for column in zip(waiting[:2], *self.aside["unanswered"], strict=True)
        )
        if len(untimed) and len(predicted):
            order = np.lexsort((when, predicted))
            places = np.searchsorted(predicted, ids[untimed], sorter=order)
            places = order[np.minimum(places, len(order) - 1)]
            known = predicted[places] == ids[untimed]
            arrivals[untimed[known]] = when[places[known]]
        order = np.argsort(arrivals, kind="stable")
        return _taken(columns, order), arrivals[order]

    def _wait_for_labels(self, columns: PredictionColumns, keys: BucketKeys, cycle: CycleTime) -> Matches:
        outputs = columns.outputs
        anonymous = outputs.given & (columns.id == 0)
        self.past.counters.add_at(
            "ml_sink_rejected_records_total",
            ("predictions", "missing_id"),
            self._grid.first_from(columns.time[anonymous]),
        )
        others = np.flatnonzero(~outputs.given & (columns.id != 0))
        self.aside["unanswered"].append((columns.id[others], columns.time[others]))
        rows = np.flatnonzero(outputs.given & (columns.id != 0))
        nothing = np.empty(len(rows), dtype=object)
        self.aside["waiting"].append(
            (
                columns.id[rows],
                columns.time[rows],
                keys.version[rows],
                self._scopes.combinations(keys.take(rows)),
                outputs.score[rows],
                outputs.predicted[rows],
                nothing if outputs.payload is None else outputs.payload[rows],
            )
        )
        return Matches.of_rows([])

    def _take_labels(
        self, reshaped: Reshaped, passed_over: Counter[str], sink: str, cycle: CycleTime
    ) -> LabelColumns:
        assert self._labels is not None
        assert cycle.known is not None
        columns = self._labels.decode(reshaped.lines, cycle.latest)
        known = columns.having(np.flatnonzero(columns.time <= cycle.known))
        untimed = known.records - len(known.id) + reshaped.records
        none = np.empty(0, dtype=np.int64)
        self.past.records(
            sink, untimed, columns.rejected + reshaped.rejected, passed_over, none, cycle, may_be_late=False
        )
        self.presence.labels(known.having(none), cycle)
        self.aside["given"].append((known.id, known.label, known.time))
        times = known.time[known.time != NO_TIME]
        self.past.marks.rise_at(f"{sink} event", self._grid.first_from(times), times)
        return columns


def _joined(parts: list[Columns], width: int) -> Columns:
    if not parts:
        return tuple(np.empty(0, dtype=np.int64) for _ in range(width))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _taken(columns: Columns, rows: Integers) -> Columns:
    return tuple(column[rows] for column in columns)
