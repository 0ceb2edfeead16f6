"""Snapshots: all gauges of a cycle, from the store and the readers."""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Mapping

from exporter.fold.counting import LATENCY_SUM
from exporter.fold.exemplars import Exemplars
from exporter.fold.field_presence import FieldPresence
from exporter.fold.version_schemas import VersionSchemas
from exporter.measure import comparison, comparison_sequence, meta
from exporter.measure.exposition import Exemplar, Histogram, Snapshot
from exporter.measure.gauges import Gauges, Reason, WindowSummaries
from exporter.measure.measurement import Measurement, largest_segments
from exporter.measure.meta import Readable
from exporter.measure.series_limit import withhold_past
from exporter.state import Store
from exporter.summary.windows import MICROSECONDS, Window
from exporter.tasks.task import Task
from mlslo.catalogue import METRICS, Type
from mlslo.monitor import Comparison, Monitor

logger = logging.getLogger(__name__)


class Snapshots:
    """Takes the snapshots of one model."""

    def __init__(
        self,
        monitor: Monitor,
        task: Task,
        schemas: VersionSchemas,
        store: Store,
        presence: FieldPresence,
        exemplars: Exemplars | None = None,
    ) -> None:
        """``monitor``: the file, as it is for plain records."""
        self._monitor = monitor
        self._schemas = schemas
        self._store = store
        self._presence = presence
        self._exemplars = exemplars
        self._measurement = Measurement(monitor, task, schemas, store)
        self._warned = False
        self._private = False
        # What one schema or another exports; each leaves out more of it.
        self._exported = monitor.spec.metrics.exported(detail=True)

    def measure_noisy(self, margin: int) -> None:
        """Take counts as noisy from now on: gauges need ``margin`` rows more, and there are no pictures of bins."""
        self._private = True
        self._measurement.measure_noisy(margin)

    def take(
        self,
        windows: list[Window],
        readers: Mapping[str, Readable],
        started: float | None = None,
        done: float | None = None,
    ) -> Snapshot:
        """Measure ``windows``, and those that they are compared with.

        ``readers``: of the sinks. ``started``: when the cycle was, by the monotonic clock. ``done``: when it ended,
        Unix seconds; now, where that is None.
        """
        gauges = Gauges(self._monitor.model, self._exported, private=self._private)
        versions = self._current_versions(windows)
        up = readers["predictions"].up
        measured = [
            window
            for number, name in versions.items()
            for window in self._measurement.measure(gauges, windows, number, name, sink_up=up)
        ]
        seen = [window for window in measured if not window.segment]
        end = max(window.end for window in windows if not window.reference)
        if self._monitor.spec.comparison is not None:
            self._compare(gauges, self._monitor.spec.comparison, seen, versions, end)
        meta.sinks(gauges, self._store, readers)
        meta.state(gauges, self._store)
        meta.fields(gauges, self._presence, windows, self._monitor.spec.minSamples)
        for name in versions.values():
            meta.references(gauges, self._schemas.of(name), name)
            meta.features(gauges, self._store, self._schemas.of(name), name)
        gauges.set("ml_monitor_last_success_timestamp_seconds", time.time() if done is None else done)
        if started is not None:
            gauges.set("ml_monitor_cycle_duration_seconds", time.monotonic() - started)
        for name, metric in METRICS.items():
            if metric.type is Type.COUNTER and gauges.wants(name):
                totals = self._store.counters.totals(name).items()
                series = {(self._monitor.model, *labels): total for labels, total in totals}
                gauges.series.setdefault(name, {}).update(series)
        histograms = self._histograms() if gauges.wants("ml_prediction_latency_seconds") else {}
        self._keep_limit(gauges, histograms)
        meta.withheld(gauges)
        segments = largest_segments(measured)
        if self._private:
            seen, segments = [], []
        return Snapshot(self._monitor.model, gauges.series, histograms, seen, end / MICROSECONDS, segments)

    def _compare(
        self,
        gauges: Gauges,
        chosen: Comparison,
        windows: list[WindowSummaries],
        current: Mapping[int, str],
        end: int,
    ) -> None:
        """Export the differences of two versions: in each window, and since the candidate began."""
        known = self._store.versions.all()
        began = sorted((number for number in current if number in known), key=lambda own: known[own].began)
        order = [known[number].name for number in began]
        comparison.export(gauges, chosen, windows, order)
        pair = chosen.of(order)
        if pair is None or chosen.sequential is None:
            return
        numbers = {name: number for number, name in current.items()}
        candidate = numbers[pair[1]]
        start = self._measurement.first_bucket(pair[1], candidate)
        some = {window.version: window for window in windows}
        old, new = (some[name] for name in pair)
        reason = None
        if start is None or start > known[candidate].began:
            # Of a bucket that is gone nobody knows what the bounds were while it was there.
            reason = Reason.HISTORY_DROPPED
        elif start >= end:
            reason = Reason.TOO_FEW_SAMPLES
        else:
            old, new = (self._measurement.since(some[name], numbers[name], start, end) for name in pair)
        comparison_sequence.export(gauges, chosen.sequential, (old, new), reason)

    def _keep_limit(self, gauges: Gauges, histograms: Mapping[str, Histogram]) -> None:
        """Withhold what is past ``maxSeries``; warn of it once."""
        limit = self._monitor.spec.maxSeries
        held = withhold_past(limit, gauges, sum(len(item.buckets) + 2 for item in histograms.values()))
        if held and not self._warned:
            self._warned = True
            listed = ", ".join(f"{number} of {urgency.title}" for urgency, number in held.items())
            logger.warning(
                "model %s: more series than maxSeries (%d): withheld are %s; choose with metrics, lower "
                "maxSegmentValues, or raise maxSeries",
                self._monitor.model,
                limit,
                listed,
            )

    def _current_versions(self, windows: list[Window]) -> dict[int, str]:
        """Number -> name of the versions that predicted in any window; where none did, of the last one that did.

        A model that has never predicted has one version, without a name: its rate of zero is a value.
        """
        versions = self._store.versions.all()
        oldest = min(window.start for window in windows if not window.reference)
        current = {number: version.name for number, version in versions.items() if version.seen >= oldest}
        if not current and versions:
            last = max(versions, key=lambda number: versions[number].seen)
            current = {last: versions[last].name}
        return current or {-1: ""}

    def _histograms(self) -> dict[str, Histogram]:
        """Version -> histogram; counts of any earlier bounds move up to the next one of now."""
        counts = self._store.counters.totals("ml_prediction_latency_seconds_bucket")
        sums: dict[str, float] = defaultdict(float)
        for (version, *_), number in self._store.counters.totals(LATENCY_SUM).items():
            sums[version] += number
        bounds = [bucket.seconds for bucket in self._monitor.spec.latencyBuckets]
        found = {}
        for version in dict.fromkeys(version for version, _ in counts):
            known = [(float(bound), number) for (of, bound), number in counts.items() if of == version]
            buckets = [
                ("+Inf" if bound == math.inf else repr(bound), sum(n for upper, n in known if upper <= bound))
                for bound in (*bounds, math.inf)
            ]
            latest = self._exemplars.of(version) if self._exemplars is not None else {}
            exemplars = {"+Inf" if bound == "inf" else bound: Exemplar(*one) for bound, one in latest.items()}
            found[version] = Histogram(buckets, sums[version], exemplars)
        return found
