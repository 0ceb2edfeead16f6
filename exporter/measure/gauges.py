"""Gauges of a window: set where they rest on enough rows, else withheld and counted with the reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from exporter.fold.schema import Schema
from exporter.references.reference import Reference, ViewReference
from exporter.summary.base import Composite, Floats
from exporter.tasks.task import Task
from mlslo.catalogue import METRICS, Layer
from mlslo.monitor import Exported, Spec


class Reason(StrEnum):
    """Reason why a gauge is withheld: the label ``reason`` of ml_gauge_withheld."""

    UNKNOWN_TYPE = "unknown_type"
    TOO_FEW_SAMPLES = "too_few_samples"
    TOO_FEW_GROUPS = "too_few_groups"
    REFERENCE_TOO_SMALL = "reference_too_small"
    REFERENCE_MISSING = "reference_missing"
    REFERENCE_WITHOUT_LABELS = "reference_without_labels"
    NO_LOSS_ESTIMATOR = "no_loss_estimator"
    FEATURES_MISSING = "features_missing"
    NOT_IN_REFERENCE = "not_in_reference"
    SEGMENT_NOT_IN_REFERENCE = "segment_not_in_reference"
    UNDEFINED = "undefined"
    SINK_DOWN = "sink_down"
    LABELS_INCOMPLETE = "labels_incomplete"
    CLASSES_UNKNOWN = "classes_unknown"
    TOO_MANY_CLASSES = "too_many_classes"
    NOT_BINARY = "not_binary"
    MAX_SERIES = "max_series"
    PRIVACY = "privacy"
    HISTORY_DROPPED = "history_dropped"


PRIVATE = frozenset(
    (
        "ml_prediction_error_ratio",
        "ml_feature_psi",
        "ml_feature_js_distance",
        "ml_feature_hellinger_distance",
        "ml_feature_cramers_v",
        "ml_feature_new_category_ratio",
        "ml_feature_missing_ratio",
        "ml_feature_invalid_ratio",
        "ml_prediction_psi",
        "ml_prediction_js_distance",
        "ml_prediction_class_ratio",
    )
)
"""Gauges of a model that are functions of the counts which ``privacy`` releases, and of nothing else."""


@dataclass
class Gauges:
    """Series by metric name; label values in the catalogue's order.

    Nothing that is not a finite number gets in: it is withheld, and counted with its reason. What is not ``exported``
    is passed over; everything is, where that is None. ``private``: counts have noise, and there are no others.
    """

    model: str
    exported: Exported | None = None
    series: dict[str, dict[tuple[str, ...], float]] = field(default_factory=dict)
    withheld: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    private: bool = False

    def wants(self, name: str, segment: str = "") -> bool:
        """Return whether ``name`` is exported: of a segment, or of all traffic."""
        return self.exported is None or name in self.exported.of(segment)

    def set(self, name: str, value: float | None, **labels: str) -> None:
        """Export ``value``; None or a value that is not finite is withheld as undefined."""
        if not self.wants(name, labels.get("segment", "")):
            return
        if self.private and name not in PRIVATE and METRICS[name].layer is not Layer.META:
            self.withhold(name, Reason.PRIVACY, **labels)
        elif value is None or not math.isfinite(value):
            self.withhold(name, Reason.UNDEFINED, **labels)
        else:
            labels["model"] = self.model
            values = tuple([labels.get(label, "") for label in METRICS[name].labels])
            self.series.setdefault(name, {})[values] = float(value)

    def set_if(self, enough: bool, name: str, value: float | None, **labels: str) -> None:
        """Export ``value`` where there are rows enough; withhold it elsewhere."""
        if enough:
            self.set(name, value, **labels)
        else:
            self.withhold(name, Reason.TOO_FEW_SAMPLES, **labels)

    def withhold(self, name: str, reason: Reason, **labels: str) -> None:
        """Count one series of ``name`` that would be exported, and cannot be."""
        if self.wants(name, labels.get("segment", "")):
            self.withheld[labels.get("version", ""), labels.get("window", ""), name, reason] += 1


Summarised = TypeVar("Summarised")


@dataclass(frozen=True)
class WindowSummaries:
    """``traffic`` and ``outcome``: of the window, which is ``seconds`` long.

    ``segment`` and ``segment_value``: whose rows; both empty for all traffic. ``static``: references of their own with
    rows of the same segment, by name. ``past`` and ``past_outcome``: of the references that are windows of the model's
    own history, by name. ``absent``: references that are not there, or not of the segment, and why. ``sink_up``:
    whether the prediction log can be read. ``gauges``: where every gauge is set; where there is a reason in
    ``withheld_for``, it is withheld instead. ``exported``: names of the metrics that are; others are passed over.
    """

    gauges: Gauges
    spec: Spec
    task: Task
    schema: Schema
    version: str
    window: str
    seconds: float
    segment: str
    segment_value: str
    traffic: Composite
    outcome: Composite
    static: Mapping[str, Reference]
    past: Mapping[str, Composite]
    past_outcome: Mapping[str, Composite]
    absent: Mapping[str, Reason]
    sink_up: bool
    exported: frozenset[str]
    withheld_for: Reason | None = None

    def bins(self, view: Callable[[Reference], ViewReference | None]) -> ViewReference | None:
        """Return what a view is counted over where the reference is a window of the past: the first static one's.

        Bins are of all traffic, whatever the segment; their noise is the segment's, where that is known.
        """
        for name, whole in self.schema.references.items():
            if (bins := view(whole)) is not None:
                return (view(self.static[name]) if name in self.static else None) or bins
        return None

    @property
    def segment_name(self) -> str:
        """The segment with its value, as a person names it; empty for all traffic."""
        return f"{self.segment}={self.segment_value}" if self.segment else ""

    @property
    def labels(self) -> dict[str, str]:
        """The labels that all gauges of the window have."""
        names = ("version", "window", "segment", "segment_value")
        return {name: getattr(self, name) for name in names}

    def wants(self, *names: str) -> bool:
        """Return whether any of the metrics ``names`` is exported."""
        return not self.exported.isdisjoint(names)

    def enough(self, rows: float | Floats) -> bool:
        """Return whether ``rows`` are at least the monitor file's ``minSamples``."""
        return bool(rows >= self.spec.minSamples)

    def set(
        self, name: str, value: float | None, rows: float | Floats | None = None, /, **labels: str
    ) -> None:
        """Export ``value``; withhold it where the ``rows`` that it rests on are too few."""
        if name not in self.exported:
            return
        enough = rows is None or self.enough(rows)
        if enough and self.withheld_for is not None:
            self.withhold(name, self.withheld_for, **labels)
        else:
            self.gauges.set_if(enough, name, value, **self.labels, **labels)

    def set_all(
        self,
        metrics: Mapping[str, Callable[[Summarised], float | None]],
        summary: Summarised,
        rows: float | Floats,
    ) -> None:
        """Export every one of ``metrics`` of ``summary``, where the ``rows`` that it rests on are enough."""
        for name, metric in metrics.items():
            if name in self.exported:
                self.set(name, metric(summary) if self.enough(rows) else None, rows)

    def withhold(self, name: str, reason: Reason, **labels: str) -> None:
        """Count one series of ``name`` that would be exported, and cannot be."""
        if name in self.exported:
            self.gauges.withhold(name, reason, **self.labels, **labels)
