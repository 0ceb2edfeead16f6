"""One cycle of one model: read, decode, fold, commit, measure."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

import duckdb

from exporter.catalogue import METRICS, Layer
from exporter.intake import Intake, Moment
from exporter.layout import Layout
from exporter.measure import data, meta, outcome, prediction, service
from exporter.measure.frame import WindowFrame
from exporter.measure.gauges import Gauges
from exporter.monitor import Monitor
from exporter.reference import Reference
from exporter.sinks.reader import SinkReader
from exporter.state import Store, StoreError
from exporter.summary.composite import Composite
from exporter.windows import CLOCK_SKEW, MICROSECONDS, Buckets, Window, boundaries

logger = logging.getLogger(__name__)

_COUNTERS = (
    "ml_predictions_total",
    "ml_prediction_errors_total",
    "ml_labels_unmatched_total",
    "ml_sink_records_total",
    "ml_sink_rejected_records_total",
    "ml_sink_late_records_total",
    "ml_series_dropped_total",
)


class CycleError(Exception):
    """A cycle that did not come to its end; what it had not committed is done again by the next."""


@dataclass(frozen=True)
class Histogram:
    """``buckets``: (upper bound as text, cumulative count), ``+Inf`` last."""

    buckets: list[tuple[str, float]]
    total: float


@dataclass(frozen=True)
class Snapshot:
    """All that one cycle exports. ``histograms``: of ml_prediction_latency_seconds, by version."""

    model: str
    series: Mapping[str, Mapping[tuple[str, ...], float]]
    histograms: Mapping[str, Histogram]


class Cycle:
    """The state and the routine of one model."""

    def __init__(self, monitor: Monitor, references: Mapping[str, Reference], store: Store) -> None:
        """Raises InputError where the monitor file and a reference contradict each other."""
        self.monitor = monitor
        self._references = references
        self._store = store
        self._layout = Layout(monitor, references)
        spec = monitor.spec
        sliding = {name: item for name, item in spec.references.items() if item.sliding is not None}
        self._sliding = {
            name: (item.sliding.seconds, item.offset.seconds if item.offset else 0.0)
            for name, item in sliding.items()
            if item.sliding is not None
        }
        spans = [window.seconds for window in spec.windows]
        self._buckets = Buckets([*spans, *(length + offset for length, offset in self._sliding.values())])
        self._intake = Intake(monitor, self._layout, store, self._buckets)
        self._readers = {"predictions": SinkReader("predictions", monitor, spec.predictions.sink, store)}
        if spec.labels is not None:
            self._readers["labels"] = SinkReader("labels", monitor, spec.labels.sink, store)
        self._measured: int | None = None
        self._failed = False
        self._drop_other_layouts()

    def close(self) -> None:
        """Release files, parsers and store."""
        self._intake.close()
        for reader in self._readers.values():
            reader.close()
        self._store.close()

    def run(
        self, *, at: float | None = None, final: bool = False, stopped: Callable[[], bool] = lambda: False
    ) -> Snapshot | None:
        """Read all that is new, then measure the windows that end ``at`` (Unix seconds; now, where None).

        ``final``: nobody writes to the logs any more. ``stopped`` is asked after each transaction; where it
        says True the cycle ends there, and there is no snapshot. Raises CycleError where the store fails.
        """
        started = time.monotonic()
        wall = time.time()
        end = int((wall if at is None else at) * MICROSECONDS)
        windows = self._windows(end)
        cuts = tuple(boundaries(windows)) if at is not None else ()
        latest = max(end, int(wall * MICROSECONDS)) + CLOCK_SKEW
        moment = Moment(end, latest, cuts, self._measured)
        try:
            if self._failed:
                # What was read and not committed must be read again.
                for reader in self._readers.values():
                    reader.reset()
            self._failed = True
            with self._store.transaction():
                self._intake.start_counters(list(self._readers))
            snapshot = None
            if self._read(moment, final=final, stopped=stopped):
                self._intake.tidy(moment)
                snapshot = self._measure(windows, started)
        except (StoreError, duckdb.Error, OSError) as error:
            raise CycleError(f"model {self.monitor.model}: {error}") from error
        self._failed = False
        if snapshot is not None:
            self._measured = moment.now
        return snapshot

    def _read(self, moment: Moment, *, final: bool, stopped: Callable[[], bool]) -> bool:
        """Predictions first, so that labels find them. Returns False where it was stopped."""
        takes = {"predictions": self._intake.predictions, "labels": self._intake.labels}
        for name, reader in self._readers.items():
            for batch in reader.batches(final=final, stopped=stopped):
                takes[name](batch, reader, moment)
            if stopped():
                return False
        return True

    def _windows(self, end: int) -> list[Window]:
        windows = [
            Window(window, end - int(window.seconds * MICROSECONDS), end)
            for window in self.monitor.spec.windows
        ]
        for name, (length, offset) in self._sliding.items():
            stop = end - int(offset * MICROSECONDS)
            windows.append(Window(f"reference {name}", stop - int(length * MICROSECONDS), stop))
        return windows

    def _measure(self, windows: list[Window], started: float) -> Snapshot:
        gauges = Gauges(self.monitor.model)
        versions = self._current_versions(windows)
        for number, name in versions.items():
            self._measure_version(gauges, windows, number, name)
        meta.sinks(gauges, self._store, self._readers)
        meta.references(gauges, self._references, list(versions.values()))
        gauges.set("ml_features_expected", len(self._layout.features) + len(self._layout.untyped))
        gauges.set("ml_monitor_last_success_timestamp_seconds", time.time())
        gauges.set("ml_monitor_cycle_duration_seconds", time.monotonic() - started)
        meta.withheld(gauges)
        for name in _COUNTERS:
            totals = self._store.counters.totals(name)
            gauges.series[name] = {(self.monitor.model, *labels): total for labels, total in totals.items()}
        return Snapshot(self.monitor.model, gauges.series, self._histograms())

    def _current_versions(self, windows: list[Window]) -> dict[int, str]:
        """Number -> name of the versions that predicted in any window; where none did, of the last one that did.

        A model that has never predicted has one version, without a name: its rate of zero is a value.
        """
        versions = self._store.summaries.versions()
        oldest = min(window.start for window in windows if not window.name.startswith("reference "))
        current = {number: name for number, (name, seen) in versions.items() if seen >= oldest}
        if not current and versions:
            last = max(versions, key=lambda number: versions[number][1])
            current = {last: versions[last][0]}
        return current or {-1: ""}

    def _measure_version(self, gauges: Gauges, windows: list[Window], number: int, name: str) -> None:
        edges = boundaries(windows)
        traffic = self._merged("traffic", number, edges)
        outcomes = self._merged("outcome", number, edges)
        sliding = {
            reference: traffic(window)
            for window in windows
            for reference in self._sliding
            if window.name == f"reference {reference}"
        }
        lengths = {str(window): window.seconds for window in self.monitor.spec.windows}
        for window in windows:
            if window.name not in lengths:
                continue
            frame = WindowFrame(
                version=name,
                window=window.name,
                seconds=lengths[window.name],
                minimum_samples=self.monitor.spec.minSamples,
                traffic=traffic(window),
                outcome=outcomes(window),
                static=self._references,
                sliding=sliding,
            )
            self._measure_window(gauges, frame)

    def _merged(self, kind: str, version: int, edges: list[int]) -> Callable[[Window], Composite]:
        """The summary of any window whose ends are among ``edges``; each bucket is read once."""
        shape: Composite = getattr(self._layout, kind)
        parts = self._store.summaries.between(kind, self._layout.digest(kind), shape, version, edges)

        def merge(window: Window) -> Composite:
            return reduce(add, parts[edges.index(window.start) : edges.index(window.end)])

        return merge

    def _measure_window(self, gauges: Gauges, frame: WindowFrame) -> None:
        spec = self.monitor.spec
        fields = spec.predictions.fields
        gauges.set("ml_monitor_samples", float(frame.traffic["traffic"].rows), **frame.labels)
        service.measure(
            frame,
            gauges,
            sink_up=self._readers["predictions"].up,
            has_status=fields.status is not None,
            has_latency=fields.latency is not None,
        )
        data.measure(frame, gauges, self._layout.ranges)
        for feature in self._layout.untyped:
            gauges.withhold("ml_feature_missing_ratio", "unknown_type", **frame.labels, feature=feature)
        has_score = fields.score is not None or spec.task == "regression"
        if spec.task in ("binary", "regression"):
            classes = self._classes if spec.task == "binary" else None
            if has_score or fields.prediction is not None:
                prediction.measure(frame, gauges, classes=classes, has_score=has_score)
        else:
            _not_measured(gauges, frame, Layer.PREDICTION)
        if spec.labels is not None and spec.task == "binary":
            has_delay = spec.labels.fields.timestamp is not None
            outcome.measure(frame, gauges, classes=self._classes, has_score=has_score, has_delay=has_delay)
        elif spec.labels is not None:
            _not_measured(gauges, frame, Layer.OUTCOME)
        if spec.fairness is not None:
            for _ in spec.fairness.attributes:
                _not_measured(gauges, frame, Layer.FAIRNESS)

    @property
    def _classes(self) -> tuple[str, str]:
        """Names of the negative and the positive class."""
        positive = self.monitor.spec.predictions.positiveClass
        return ("other", positive) if positive else ("0", "1")

    def _histograms(self) -> dict[str, Histogram]:
        counts: dict[str, dict[float, float]] = {}
        for (version, bound), number in self._store.counters.totals(
            "ml_prediction_latency_seconds_bucket"
        ).items():
            counts.setdefault(version, {})[float(bound)] = number
        sums = self._store.counters.totals("ml_prediction_latency_seconds_sum")
        bounds = [bucket.seconds for bucket in self.monitor.spec.latencyBuckets]
        return {
            version: Histogram(_cumulative(by_bound, bounds), sums.get((version,), 0.0))
            for version, by_bound in counts.items()
        }

    def _drop_other_layouts(self) -> None:
        with self._store.transaction():
            for kind in ("traffic", "outcome"):
                dropped = self._store.summaries.drop_other_layouts(kind, self._layout.digest(kind))
                if dropped:
                    logger.warning(
                        "model %s: a reference or a feature changed: %d %s buckets counted over other edges "
                        "are dropped; windows fill anew",
                        self.monitor.model,
                        dropped,
                        kind,
                    )


def _cumulative(by_bound: dict[float, float], bounds: list[float]) -> list[tuple[str, float]]:
    """Counts of any earlier bounds move up to the next one of now."""
    total = sum(by_bound.values())
    buckets = [
        (repr(bound), sum(number for upper, number in by_bound.items() if upper <= bound)) for bound in bounds
    ]
    return [*buckets, ("+Inf", total)]


def _not_measured(gauges: Gauges, frame: WindowFrame, layer: Layer) -> None:
    for metric in METRICS.values():
        if metric.layer is layer and "window" in metric.labels:
            gauges.withhold(metric.name, "not_measured", **frame.labels)
