"""Estimate of the series that a monitor file will export, before anything is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from exporter.features.binning import NumericBinning
from exporter.fold.field_presence import mapped_fields
from exporter.fold.schema import Schema
from exporter.measure import (
    comparison_results,
    comparison_sequence,
    drift,
    features,
    outcome,
    prediction,
    service,
    skew,
)
from exporter.measure.urgency import Urgency, urgency
from exporter.records.columns import REASONS
from exporter.statistics import multiclass, multilabel
from exporter.summary.outcomes import CALIBRATION_BINS
from exporter.tasks.task import Task
from mlslo.catalogue import METRICS, Layer, Metric, Type
from mlslo.monitor import Exported, Spec
from mlslo.monitor.measurable import SEQUENCE, lacking, unfit

FEW = 5000
"""A model has its features' further statistics by default where all its series are at most so many."""

_CODES = 10
_DATA = "ml_feature_"
_WITH_NOISE = {"ml_prediction": prediction.OF_SCORES, "ml_label": ("psi",)}


@dataclass(frozen=True)
class Count:
    """At most ``series`` of ``metric``; ``segmented``: of segments, not of all traffic."""

    metric: Metric
    segmented: bool
    series: int

    @property
    def urgency(self) -> Urgency:
        return urgency(self.metric, segmented=self.segmented)


@dataclass(frozen=True)
class SeriesEstimate:
    """Upper bound of the series of one version. ``counts``: by metric, apart for all traffic and for segments."""

    counts: tuple[Count, ...]

    @property
    def total(self) -> int:
        return sum(count.series for count in self.counts)

    def by_urgency(self) -> dict[Urgency, list[Count]]:
        """Return the counts of each urgency, where there are any; most series first, in both."""
        found: dict[Urgency, list[Count]] = {}
        for count in sorted(self.counts, key=lambda count: -count.series):
            found.setdefault(count.urgency, []).append(count)
        return dict(sorted(found.items(), key=lambda item: -sum(count.series for count in item[1])))


def choose(spec: Spec, task: Task, schema: Schema) -> tuple[Exported, SeriesEstimate]:
    """Return what a version exports, and how many series that is at most.

    The features' further statistics are among it, by default, where all is at most ``FEW`` series, and ``maxSeries``.
    """
    full = spec.metrics.exported(detail=True)
    estimated = estimate(spec, task, schema, full)
    if estimated.total <= min(FEW, spec.maxSeries):
        return full, estimated
    chosen = spec.metrics.exported(detail=False)
    return chosen, estimated if chosen == full else estimate(spec, task, schema, chosen)


def estimate(spec: Spec, task: Task, schema: Schema, exported: Exported) -> SeriesEstimate:
    """Count what one version exports at most: every value of every segment, every group, nothing withheld.

    Each window metric is taken to be withheld for one reason, which is a series too.
    """
    sizes = _Sizes(spec, task, schema, exported)
    counts = []
    for metric in METRICS.values():
        if metric.labels[:1] != ("model",) or lacking(metric, spec, "") is not None:
            continue
        series = sizes.of(metric)
        if series and metric.name in exported.traffic:
            counts.append(Count(metric, False, series))
        if (
            series
            and sizes.segment_values
            and metric.name in exported.segments
            and "segment" in metric.labels
        ):
            number = sizes.of(metric, segmented=True) * sizes.segment_values
            counts.append(Count(metric, True, number))
    measured = sum("window" in count.metric.labels for count in counts if not count.segmented)
    counts.append(Count(METRICS["ml_gauge_withheld"], False, measured * len(spec.windows)))
    return SeriesEstimate(tuple(count for count in counts if count.series))


@dataclass(frozen=True)
class _Sizes:
    """How many values each label of a metric has."""

    spec: Spec
    task: Task
    schema: Schema
    exported: Exported

    @property
    def segment_values(self) -> int:
        """The values of all segments that have series, with `other`."""
        return len(self.spec.segments) * (self.spec.maxSegmentValues + 1)

    def of(self, metric: Metric, *, segmented: bool = False) -> int:
        """Series of ``metric`` for all traffic, or for one segment value."""
        name, spec = metric.name, self.spec
        if name == "ml_gauge_withheld":
            return 0
        if name in ("ml_features_monitored",) and segmented:
            return 0
        if metric.type is Type.HISTOGRAM:
            return len(spec.latencyBuckets) + 3
        if name == "ml_sink_rejected_records_total":
            return sum(len(REASONS[name]) for name in spec.logs)
        if name == "ml_series_dropped_total":
            return 2
        if name.startswith(SEQUENCE):
            # What is withheld is a series too.
            return 2 * len(comparison_sequence.statistics(spec))
        if name.startswith("ml_comparison_"):
            return len(spec.windows) * len(comparison_results.names(spec, self.task))
        if name.startswith("ml_model_estimated_") and not (
            self.schema.calibrated or self.schema.classes or self.schema.loss
        ):
            # No reference has labels: what counts that it is withheld.
            return 0 if segmented else len(spec.windows)
        if name.endswith("drift_noise_level"):
            return 0 if segmented else self._noise(metric)
        labels = [
            label for label in metric.labels if label not in ("model", "version", "segment", "segment_value")
        ]
        if {"average", "class"} <= set(labels):
            # Averages, or single classes, which segments do not have.
            of_classes = self._classes if spec.task == "multilabel" and not segmented else 0
            labels = [label for label in labels if label not in ("average", "class")]
            return (self._averages + of_classes) * math.prod(self._size(metric, label) for label in labels)
        return math.prod(self._size(metric, label) for label in labels)

    def _size(self, metric: Metric, label: str) -> int:
        spec, name, classes = self.spec, metric.name, self._classes
        match label:
            case "window":
                return len(spec.windows)
            case "reference":
                return self._references(metric)
            case "feature":
                return self._features(name)
            case "quantile":
                return {
                    "ml_feature_quantile": len(features.QUANTILES),
                    "ml_label_delay_seconds": len(outcome.DELAY_QUANTILES),
                    "ml_feature_age_seconds": len(skew.AGE_QUANTILES),
                }.get(name, len(service.QUANTILES))
            case "average":
                return self._averages
            case "class" | "actual" | "predicted":
                return classes if classes <= prediction.MOST_SHOWN else 0
            case "field":
                return len(tuple(mapped_fields(spec)))
            case "k":
                return len(spec.predictions.cutoffs)
            case "sink":
                return len(spec.logs)
            case "side":
                return len(skew.SIDES)
            case "attribute":
                return len(spec.fairness.attributes) if spec.fairness else 0
            case "group":
                return spec.maxSegmentValues + 1
            case _:
                return {"bin": CALIBRATION_BINS, "delay": len(outcome.DELAY_LABELS), "code": _CODES}.get(
                    label, 1
                )

    @property
    def _classes(self) -> int:
        if self.spec.task == "multilabel":
            return len(self.spec.predictions.classes or ())
        return len(self.task.classes)

    @property
    def _averages(self) -> int:
        return {"multiclass": len(multiclass.AVERAGES), "multilabel": len(multilabel.AVERAGES)}.get(
            self.spec.task, 1
        )

    def _references(self, metric: Metric) -> int:
        """References that ``metric`` can be compared with, or that it is about."""
        spec = self.spec
        if metric.layer is Layer.META:
            return len(spec.references) if metric.name != "ml_reference_info" else len(self.schema.references)
        if metric.name == "ml_feature_missing_ratio_reference":
            return 1
        if metric.name.endswith("_reference"):
            return len(self.schema.references)
        return sum(unfit(metric, name, spec.references) is None for name in spec.references)

    def _noise(self, metric: Metric) -> int:
        """One for each statistic that is exported, and has a level."""
        windows, references = len(self.spec.windows), self._references(metric)
        if metric.name.startswith(_DATA):
            views = self.schema.binnings.values()
            number = sum(
                f"{_DATA}{statistic}" in self.exported.traffic
                for binning in views
                for statistic in drift.with_noise(binning)
            )
            return number * windows * references
        prefix = metric.name.removesuffix("_drift_noise_level")
        named = [f"{prefix}_{statistic}" for statistic in _WITH_NOISE[prefix]]
        known = [
            name
            for name in named
            if name in self.exported.traffic and not lacking(METRICS[name], self.spec, "")
        ]
        return len(known) * windows * references

    def _features(self, name: str) -> int:
        schema = self.schema
        if name == "ml_feature_missing_ratio_reference":
            return sum(len(reference.kinds) for reference in schema.references.values())
        if name == "ml_feature_last_seen_timestamp_seconds":
            return len(schema.kinds)
        if name.startswith("ml_feature_skew_"):
            return len(schema.compared)
        if name.startswith("ml_feature_age_"):
            return len(self.spec.featureTimestamps)
        if name == "ml_feature_attribution_mean":
            return len(schema.attributed)
        if name == "ml_feature_text_length_mean":
            return sum(kind.name == "text" for kind in schema.kinds.values())
        if name == "ml_feature_out_of_range_ratio":
            return len(schema.ranges)
        primary = [view for view in schema.binnings if schema.primary(view)]
        if name in ("ml_feature_missing_ratio", "ml_feature_invalid_ratio"):
            return len(primary)
        if name in features.VALUES or name == "ml_feature_quantile":
            return len(self._numeric)
        statistic = name.removeprefix(_DATA)
        return sum(statistic in drift.statistics_of(binning) for binning in schema.binnings.values())

    @cached_property
    def _numeric(self) -> list[str]:
        return [name for name, binning in self.schema.binnings.items() if isinstance(binning, NumericBinning)]
