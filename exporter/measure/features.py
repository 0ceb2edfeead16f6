"""Data gauges of every feature by itself: what is missing, what its values are."""

from __future__ import annotations

import numpy as np

from exporter.fold.schema import view_part
from exporter.measure.gauges import Gauges
from exporter.measure.reasons import Reason
from exporter.measure.window_frame import WindowFrame
from exporter.statistics.moments import quantile
from exporter.summary.base import Summary
from exporter.summary.numeric import NumericSummary

QUANTILES = ("0.05", "0.25", "0.5", "0.75", "0.95")


def measure(frame: WindowFrame, gauges: Gauges) -> None:
    """Every view of every feature; what has too few values in the window is withheld."""
    schema = frame.schema
    monitored = 0
    for feature, kind in schema.kinds.items():
        views = [view for view in kind.views(feature).values() if view in schema.binnings]
        for view in views:
            summary = frame.traffic[view_part(view)]
            if view == kind.primary(feature):
                monitored += frame.enough(summary.present)
                _completeness(frame, gauges, feature, summary)
            if isinstance(summary, NumericSummary):
                _description(frame, gauges, view, summary)
        if kind.name == "text":
            lengths = frame.traffic[view_part(kind.primary(feature))]
            labels = {**frame.labels, "feature": feature}
            gauges.set_if(
                frame.enough(lengths.present), "ml_feature_text_length_mean", lengths.mean, **labels
            )
    for feature in schema.untyped:
        gauges.withhold("ml_feature_missing_ratio", Reason.UNKNOWN_TYPE, **frame.labels, feature=feature)
    if frame.traffic["traffic"].rows and not frame.segment:
        gauges.set("ml_features_monitored", monitored, **frame.labels)


def _completeness(frame: WindowFrame, gauges: Gauges, feature: str, summary: Summary) -> None:
    labels = {**frame.labels, "feature": feature}
    rows = float(summary.rows)  # type: ignore[attr-defined]
    missing = float(summary.missing)  # type: ignore[attr-defined]
    gauges.set_if(frame.enough(rows), "ml_feature_missing_ratio", missing / rows if rows else None, **labels)
    if isinstance(summary, NumericSummary):
        wrong = float(summary.invalid) + float(summary.infinite)
    elif frame.schema.kinds[feature].name == "boolean":
        wrong = float(summary.unseen)  # type: ignore[attr-defined]
    else:
        return
    gauges.set_if(frame.enough(rows), "ml_feature_invalid_ratio", wrong / rows if rows else None, **labels)


def _description(frame: WindowFrame, gauges: Gauges, view: str, summary: NumericSummary) -> None:
    labels = {**frame.labels, "feature": view}
    present = summary.present
    enough = frame.enough(present)
    gauges.set_if(enough, "ml_feature_mean", summary.mean, **labels)
    gauges.set_if(
        enough, "ml_feature_stddev", float(np.sqrt(summary.variance)) if present else None, **labels
    )
    gauges.set_if(enough, "ml_feature_min", float(summary.minimum), **labels)
    gauges.set_if(enough, "ml_feature_max", float(summary.maximum), **labels)
    declared = frame.schema.ranges.get(frame.schema.views[view])
    if declared is not None and frame.schema.primary(view):
        low, high = np.nextafter(declared[0], -np.inf), declared[1]
        counts = summary.regrouped(np.array([low, high]))
        ratio = float(counts[0] + counts[2]) / present if present else None
        gauges.set_if(enough, "ml_feature_out_of_range_ratio", ratio, **labels)
    # Without a reference there are no bins that would tell where in its range a value lies.
    if not any(view in reference.views for reference in frame.static.values()):
        for probability in QUANTILES:
            gauges.withhold("ml_feature_quantile", Reason.NOT_IN_REFERENCE, **labels, quantile=probability)
        return
    for probability in QUANTILES:
        value = quantile(summary, float(probability)) if enough else None
        gauges.set_if(enough, "ml_feature_quantile", value, **labels, quantile=probability)
