"""From the store to the gauges of one version: every window, all traffic and each segment."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from exporter.fold.schema import AGE, GROUP, OUTCOME, SELECTION, SKEW, TRAFFIC, Schema
from exporter.fold.version_schemas import VersionSchemas
from exporter.measure import data, fairness, features, outcome, prediction, reference_figures, service, skew
from exporter.measure.gauges import Gauges, Reason, WindowSummaries
from exporter.measure.series_estimate import choose
from exporter.references.reference import Reference
from exporter.state import Scope, Store
from exporter.summary.base import Composite, Shape
from exporter.summary.windows import MICROSECONDS, Window, boundaries
from exporter.tasks.task import Task
from mlslo.catalogue import METRICS, Layer
from mlslo.monitor import Exported, Monitor, scope_name

logger = logging.getLogger(__name__)

_INPUTS = (service, features, data)
_PREDICTIONS = (prediction, outcome)
"""Layers of gauges, each of which exports what applies to the model. The latter need the classes of a classifier."""

_OUTCOMES = tuple(metric.name for metric in METRICS.values() if metric.layer is Layer.OUTCOME)
_FAIRNESS = tuple(metric.name for metric in METRICS.values() if metric.layer is Layer.FAIRNESS)


_MOST_NUMBERS = 2 << 20


class Measurement:
    """Measures what the store holds of one model."""

    def __init__(self, monitor: Monitor, task: Task, schemas: VersionSchemas, store: Store) -> None:
        self._model = monitor.model
        self._spec = monitor.spec
        self._minimum = monitor.spec.minSamples
        self._warned: set[tuple[str, str]] = set()
        self._task = task
        self._schemas = schemas
        self._store = store
        self._lengths = {str(window): window.seconds for window in self._spec.windows}
        self._exported: dict[Schema, Exported] = {}
        self._private = False

    def measure_noisy(self, margin: int) -> None:
        """Take counts as noisy from now on: negative ones are 0, and gauges need ``margin`` rows more."""
        self._private = True
        needed = self._minimum + margin
        self._spec = self._spec.model_copy(update={"minSamples": needed})

    def measure(
        self, gauges: Gauges, windows: list[Window], number: int, version: str, *, sink_up: bool
    ) -> list[WindowSummaries]:
        """Set all gauges of one version; return its windows of all traffic, then those of segments.

        ``sink_up``: whether the prediction log can be read.
        """
        found = self._measure_scope(gauges, windows, Scope(number), version, sink_up=sink_up)
        for segment in self._schemas.segments:
            for scope in self._store.summaries.scopes(TRAFFIC, number, segment):
                found += self._measure_scope(gauges, windows, scope, version, sink_up=sink_up)
        schema = self._schemas.of(version)
        reference_figures.export_fairness(gauges, self._spec, schema, version)
        exported = self._exported_of(schema).traffic
        if self._spec.fairness is not None and not exported.isdisjoint(_FAIRNESS):
            for paths in self._spec.fairness.attributes:
                self._measure_attribute(gauges, windows, number, version, scope_name(paths))
        return found

    def since(self, window: WindowSummaries, number: int, start: int, end: int) -> WindowSummaries:
        """Return what a version has counted from ``start`` to ``end`` (epoch µs), as ``window`` of it has it."""
        stretch = Window("", start, end)
        traffic, outcome = (
            self._merged(window.schema.shapes[kind], Scope(number), [stretch])[stretch]
            for kind in (TRAFFIC, OUTCOME)
        )
        seconds = (end - start) / MICROSECONDS
        return replace(window, window="", seconds=seconds, traffic=traffic, outcome=outcome)

    def first_bucket(self, version: str, number: int) -> int | None:
        """Return the start of a version's first bucket; None where it has none."""
        shape = self._schemas.of(version).shapes[TRAFFIC]
        return self._store.summaries.first(shape, Scope(number))

    def _measure_scope(
        self, gauges: Gauges, windows: list[Window], scope: Scope, version: str, *, sink_up: bool
    ) -> list[WindowSummaries]:
        schema = self._schemas.of(version)
        exported = self._exported_of(schema).of(scope.segment)
        traffic = self._merged(schema.shapes[TRAFFIC], scope, windows)
        if exported.isdisjoint(_OUTCOMES):
            outcomes: Mapping[Window, Composite] = dict.fromkeys(windows, schema.shapes[OUTCOME].empty)
        else:
            outcomes = self._merged(schema.shapes[OUTCOME], scope, windows)
        skews, ages = (
            self._merged(schema.shapes[kind], scope, windows)
            if kind in schema.shapes and not scope.segment
            else {}
            for kind in (SKEW, AGE)
        )
        static, absent = self._references(schema, scope)
        absent |= dict.fromkeys(self._schemas.missing(version), Reason.REFERENCE_MISSING)
        reference_figures.export(gauges, self._spec, schema, version, scope, static, absent)
        history = [window for window in windows if window.reference]
        for window in history:
            if not scope.segment and float(traffic[window]["traffic"].rows):
                # Its content changes with every cycle: it has an age, and no hash.
                name = "ml_reference_created_timestamp_seconds"
                gauges.set(name, window.end / MICROSECONDS, version=version, reference=window.name)
        found = []
        for window in windows:
            if not window.reference:
                summaries = WindowSummaries(
                    gauges=gauges,
                    spec=self._spec,
                    task=self._task,
                    schema=schema,
                    version=version,
                    window=window.name,
                    seconds=self._lengths[window.name],
                    segment=scope.segment,
                    segment_value=scope.value,
                    traffic=traffic[window],
                    outcome=outcomes[window],
                    static=static,
                    past={past.name: traffic[past] for past in history},
                    past_outcome={past.name: outcomes[past] for past in history},
                    absent=absent,
                    sink_up=sink_up,
                    exported=exported,
                )
                self._export(summaries)
                if window in skews:
                    skew.export_skew(summaries, skews[window][SKEW])
                if window in ages:
                    skew.export_ages(summaries, ages[window])
                found.append(summaries)
        return found

    def _references(self, schema: Schema, scope: Scope) -> tuple[dict[str, Reference], dict[str, Reason]]:
        """Return the references with rows of the scope, and why the others have none: a segment has its own or none."""
        if not scope.segment:
            return schema.references, {}
        apart = self._store.segments.held(scope.segment)
        static, absent = {}, {}
        for name, whole in schema.references.items():
            own = whole.of_segment(scope.segment, scope.value, apart)
            if own is None:
                absent[name] = Reason.SEGMENT_NOT_IN_REFERENCE
                if scope.segment not in whole.segments:
                    self._warn_of(name, scope.segment)
            elif own.rows < self._spec.minSamples:
                absent[name] = Reason.REFERENCE_TOO_SMALL
            else:
                static[name] = own
        return static, absent

    def _warn_of(self, reference: str, segment: str) -> None:
        """Say once that a reference has no rows of any value of a segment: it is older, or its data had none."""
        if (reference, segment) in self._warned:
            return
        self._warned.add((reference, segment))
        static = self._spec.references[reference].static
        logger.warning(
            "model %s: reference '%s' does not know segment '%s': what compares the segment with it is withheld as "
            "segment_not_in_reference%s",
            self._model,
            reference,
            segment,
            ""
            if static is None
            else "; to compare it, build the reference again with mlslo-exporter baseline",
        )

    def _exported_of(self, schema: Schema) -> Exported:
        """Return what a version exports, worked out once for its schema."""
        if schema not in self._exported:
            # Schemas that are no version's any more are not kept.
            known = self._schemas.all()
            self._exported = {own: found for own, found in self._exported.items() if own in known}
            self._exported[schema], _ = choose(self._spec, self._task, schema)
        return self._exported[schema]

    def _export(self, summaries: WindowSummaries) -> None:
        for layer in _INPUTS:
            layer.export(summaries)
        if self._spec.task == "multiclass" and not self._task.classes:
            for metric in METRICS.values():
                if metric.layer in (Layer.PREDICTION, Layer.OUTCOME) and {"version", "window"} <= {
                    *metric.labels
                }:
                    summaries.withhold(metric.name, Reason.CLASSES_UNKNOWN)
            return
        for layer in _PREDICTIONS:
            layer.export(summaries)

    def _measure_attribute(
        self, gauges: Gauges, windows: list[Window], number: int, version: str, attribute: str
    ) -> None:
        shapes, summaries = self._schemas.of(version).shapes, self._store.summaries
        selections, outcomes = (
            {
                scope.value: self._merged(shapes[kind], scope, windows)
                for scope in summaries.scopes(kind, number, attribute)
                if kind in shapes
            }
            for kind in (SELECTION, GROUP)
        )
        for window in windows:
            of = {"version": version, "window": window.name}
            if window.reference:
                continue
            if SELECTION not in shapes:
                gauges.withhold("ml_fairness_demographic_parity_ratio", Reason.NOT_BINARY, **of)
                gauges.withhold("ml_fairness_equalized_odds_difference", Reason.NOT_BINARY, **of)
                continue
            fairness.export(
                gauges,
                self._spec,
                {**of, "attribute": attribute},
                {group: found[window] for group, found in selections.items()},
                {group: found[window] for group, found in outcomes.items()},
            )

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
            if self._private:
                vector = np.where(np.isinf(vector), vector, np.maximum(vector, 0.0))
            found[window] = shape.empty.with_vector(vector)
        return found


def largest_segments(measured: Sequence[WindowSummaries]) -> list[WindowSummaries]:
    """Return the windows of segments that have rows enough, those of most rows first, up to 16 MB of summaries."""
    found: list[WindowSummaries] = []
    room = _MOST_NUMBERS
    for window in sorted(measured, key=lambda item: -float(item.traffic["traffic"].rows)):
        if window.segment and window.enough(window.traffic["traffic"].rows):
            room -= sum(window.schema.shapes[kind].neutral.size for kind in (TRAFFIC, OUTCOME))
            if room < 0:
                break
            found.append(window)
    return found
