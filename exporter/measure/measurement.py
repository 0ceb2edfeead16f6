"""From the store to the gauges of one version: every window, all traffic and each segment."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.fold.schema import GROUP, OUTCOME, SELECTION, TRAFFIC
from exporter.fold.version_schemas import VersionSchemas
from exporter.measure import (
    attributions,
    binary,
    data,
    dataset,
    estimates,
    fairness,
    features,
    meta,
    multiclass,
    outcome,
    prediction,
    ranking,
    regression,
    service,
)
from exporter.measure import labels as label_gauges
from exporter.measure.fairness import GroupFrame
from exporter.measure.gauges import Gauges
from exporter.measure.reasons import Reason
from exporter.measure.window_frame import WindowFrame
from exporter.state import Scope, Store
from exporter.summary.composite import Composite
from exporter.summary.shape import Shape
from exporter.summary.windows import Window, boundaries
from exporter.tasks.task import Task
from mlslo.catalogue import METRICS, Layer
from mlslo.monitor import Monitor, scope_name


class Measurement:
    """Measures what the store holds of one model."""

    def __init__(self, monitor: Monitor, task: Task, schemas: VersionSchemas, store: Store) -> None:
        self._spec = monitor.spec
        self._task = task
        self._schemas = schemas
        self._store = store
        self._lengths = {str(window): window.seconds for window in self._spec.windows}
        self._segments = [scope_name(paths) for paths in self._spec.segments]

    def measure(
        self, gauges: Gauges, windows: list[Window], number: int, version: str, *, sink_up: bool
    ) -> None:
        """All gauges of one version. ``sink_up``: whether the prediction log can be read."""
        scopes = [Scope(number)]
        for segment in self._segments:
            scopes += self._store.summaries.scopes(TRAFFIC, number, segment)
        for scope in scopes:
            self._measure_scope(gauges, windows, scope, version, sink_up=sink_up)
        if self._spec.fairness is not None:
            for paths in self._spec.fairness.attributes:
                self._measure_attribute(gauges, windows, number, version, scope_name(paths))

    def _measure_scope(
        self, gauges: Gauges, windows: list[Window], scope: Scope, version: str, *, sink_up: bool
    ) -> None:
        schema = self._schemas.of(version)
        traffic = self._merged(schema.shapes[TRAFFIC], scope, windows)
        outcomes = self._merged(schema.shapes[OUTCOME], scope, windows)
        absent = dict.fromkeys(self._schemas.missing(version), Reason.REFERENCE_MISSING)
        for window in windows:
            if window.reference:
                if not scope.segment and float(traffic[window]["traffic"].rows):
                    meta.past(gauges, window, version)
                continue
            frame = WindowFrame(
                version=version,
                window=window.name,
                seconds=self._lengths[window.name],
                minimum_samples=self._spec.minSamples,
                schema=schema,
                traffic=traffic[window],
                outcome=outcomes[window],
                past={past.name: traffic[past] for past in windows if past.reference},
                past_outcome={past.name: outcomes[past] for past in windows if past.reference},
                absent=absent,
                segment=scope.segment,
                segment_value=scope.value,
            )
            self._measure_window(gauges, frame, sink_up=sink_up)

    def _measure_window(self, gauges: Gauges, frame: WindowFrame, *, sink_up: bool) -> None:
        spec, fields = self._spec, self._spec.predictions.fields
        gauges.set("ml_monitor_samples", float(frame.traffic["traffic"].rows), **frame.labels)
        service.measure(
            frame,
            gauges,
            sink_up=sink_up,
            has_status=fields.status is not None,
            has_latency=fields.latency is not None,
        )
        features.measure(frame, gauges)
        data.measure(frame, gauges)
        dataset.measure(frame, gauges)
        attributions.measure(frame, gauges)
        if spec.task == "multiclass" and not self._task.classes:
            for layer in (Layer.PREDICTION, Layer.OUTCOME):
                _withhold(gauges, frame, layer, Reason.CLASSES_UNKNOWN)
            return
        if fields.score is not None or fields.prediction is not None:
            prediction.measure(frame, gauges, self._task, has_fallback=fields.fallback is not None)
        if spec.task == "binary" and self._task.scored:
            estimates.binary(frame, gauges)
        elif spec.task == "multiclass" and self._task.scored:
            estimates.multiclass(frame, gauges)
        if spec.labels is not None:
            self._measure_outcome(gauges, frame)

    def _measure_outcome(self, gauges: Gauges, frame: WindowFrame) -> None:
        labels, task = self._spec.labels, self._task
        assert labels is not None
        has_delay = labels.fields.timestamp is not None
        outcome.measure(frame, gauges, has_delay=has_delay, classes=bool(task.classes))
        covered = outcome.coverage(frame.traffic, frame.outcome)
        immature = covered is not None and covered < labels.minCoverage
        target = gauges.withholding(Reason.LABELS_INCOMPLETE) if immature else gauges
        label_gauges.measure(frame, target, min_coverage=labels.minCoverage)
        match self._spec.task:
            case "binary":
                binary.measure(frame, target, classes=task.classes, has_score=task.scored)
            case "multiclass":
                multiclass.measure(frame, target, classes=task.classes, has_score=task.scored)
            case "regression":
                regression.measure(frame, target)
            case "ranking":
                ranking.measure(frame, target, cutoffs=self._spec.predictions.cutoffs)

    def _measure_attribute(
        self, gauges: Gauges, windows: list[Window], number: int, version: str, attribute: str
    ) -> None:
        fairness_spec, schema = self._spec.fairness, self._schemas.of(version)
        assert fairness_spec is not None
        if SELECTION not in schema.shapes:
            for window in windows:
                if not window.reference:
                    labels = {"version": version, "window": window.name}
                    gauges.withhold("ml_fairness_demographic_parity_ratio", Reason.NOT_BINARY, **labels)
                    gauges.withhold("ml_fairness_equalized_odds_difference", Reason.NOT_BINARY, **labels)
            return
        summaries = self._store.summaries
        selections, outcomes = (
            {
                scope.value: self._merged(schema.shapes[kind], scope, windows)
                for scope in summaries.scopes(kind, number, attribute)
            }
            for kind in (SELECTION, GROUP)
        )
        for window in windows:
            if not window.reference:
                frame = GroupFrame(
                    version=version,
                    window=window.name,
                    attribute=attribute,
                    floor=fairness_spec.minSamples or self._spec.minSamples,
                    least_coverage=self._spec.labels.minCoverage if self._spec.labels else 0.0,
                    selections={group: found[window] for group, found in selections.items()},
                    outcomes={group: found[window] for group, found in outcomes.items()},
                )
                fairness.measure(frame, gauges, labelled=self._spec.labels is not None)

    def _merged(self, shape: Shape, scope: Scope, windows: list[Window]) -> Mapping[Window, Composite]:
        """The summary of each window; each bucket is read once."""
        edges = boundaries(windows)
        parts = self._store.summaries.between(shape, scope, edges)
        found = {}
        for window in windows:
            first, last = edges.index(window.start), edges.index(window.end)
            vector = parts[first].copy()
            for part in parts[first + 1 : last]:
                shape.empty.merge_numbers(vector, slice(None), part)
            found[window] = shape.composite(vector)
        return found


def _withhold(gauges: Gauges, frame: WindowFrame, layer: Layer, reason: Reason) -> None:
    for metric in METRICS.values():
        if metric.layer is layer and "window" in metric.labels:
            gauges.withhold(metric.name, reason, **frame.labels)
