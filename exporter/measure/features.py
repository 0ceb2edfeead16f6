"""Data gauges of every feature by itself: what is missing, what its values are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from exporter.measure.gauges import Reason, WindowSummaries
from exporter.references.reference import view_part
from exporter.statistics.quantiles import quantile
from exporter.summary.base import ratio
from exporter.summary.numeric import NumericSummary

QUANTILES = ("0.05", "0.25", "0.5", "0.75", "0.95")

VALUES: Mapping[str, Callable[[NumericSummary], float]] = {
    "ml_feature_mean": lambda summary: summary.mean,
    "ml_feature_stddev": lambda summary: float(np.sqrt(summary.variance)),
    "ml_feature_min": lambda summary: float(summary.minimum),
    "ml_feature_max": lambda summary: float(summary.maximum),
}
_OF_FEATURES = (
    *VALUES,
    "ml_feature_missing_ratio",
    "ml_feature_invalid_ratio",
    "ml_feature_out_of_range_ratio",
    "ml_feature_quantile",
    "ml_feature_text_length_mean",
)


def export(window: WindowSummaries) -> None:
    """Export completeness and description of every view of every feature."""
    schema = window.schema
    if window.segment and not window.wants(*_OF_FEATURES):
        return
    monitored = 0
    for feature, kind in schema.kinds.items():
        for view in kind.views(feature).values():
            if view not in schema.binnings:
                continue
            summary = window.traffic[view_part(view)]
            if view == kind.primary(feature):
                monitored += window.enough(summary.present)
                _completeness(window, feature, summary)
            if isinstance(summary, NumericSummary):
                _description(window, view, summary)
        if kind.name == "text":
            lengths = window.traffic[view_part(kind.primary(feature))]
            window.set("ml_feature_text_length_mean", lengths.mean, lengths.present, feature=feature)
    for feature in schema.untyped:
        window.withhold("ml_feature_missing_ratio", Reason.UNKNOWN_TYPE, feature=feature)
    if window.traffic["traffic"].rows and not window.segment:
        window.set("ml_features_monitored", monitored)


def _completeness(window: WindowSummaries, feature: str, summary: Any) -> None:
    rows = summary.rows
    window.set("ml_feature_missing_ratio", ratio(summary.missing, rows), rows, feature=feature)
    if isinstance(summary, NumericSummary):
        wrong = float(summary.invalid) + float(summary.infinite)
    elif window.schema.kinds[feature].name == "boolean":
        wrong = float(summary.unseen)
    else:
        return
    window.set("ml_feature_invalid_ratio", ratio(wrong, rows), rows, feature=feature)


def _description(window: WindowSummaries, view: str, summary: NumericSummary) -> None:
    present, schema = summary.present, window.schema
    for name, value in VALUES.items():
        if window.wants(name):
            window.set(name, value(summary), present, feature=view)
    declared = schema.ranges.get(schema.views[view])
    if declared is not None and schema.primary(view) and window.wants("ml_feature_out_of_range_ratio"):
        low, high = np.nextafter(declared[0], -np.inf), declared[1]
        counts = summary.regrouped(np.array([low, high]))
        outside = ratio(counts[0] + counts[2], present)
        window.set("ml_feature_out_of_range_ratio", outside, present, feature=view)
    if not window.wants("ml_feature_quantile"):
        return
    # Without a reference there are no bins that would tell where in its range a value lies.
    known = any(view in reference.views for reference in schema.references.values())
    for probability in QUANTILES:
        if known:
            found = quantile(summary, float(probability)) if window.enough(present) else None
            window.set("ml_feature_quantile", found, present, feature=view, quantile=probability)
        else:
            window.withhold(
                "ml_feature_quantile", Reason.NOT_IN_REFERENCE, feature=view, quantile=probability
            )
