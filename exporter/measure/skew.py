"""Gauges of served features: how they differ from the offline ones, and how old they were when they were used."""

from __future__ import annotations

from exporter.measure.gauges import Reason, WindowSummaries
from exporter.statistics.quantiles import duration_quantile
from exporter.summary.base import Composite, ratio
from exporter.summary.skew import FeatureAgeSummary, SkewSummary

AGE_QUANTILES = ("0.5", "0.9", "0.99")
SIDES = ("served", "offline")


def export_skew(window: WindowSummaries, summary: SkewSummary) -> None:
    """Export the share of joined rows of which a feature differs; of all traffic."""
    # All features of a row are joined at once; one that came later has fewer rows.
    window.set("ml_skew_joined_rows", float(summary.rows.max(initial=0.0)))
    for place, feature in enumerate(summary.features):
        rows, weight = float(summary.rows[place]), summary.weights[place]
        share = ratio(summary.mismatched[place], weight)
        window.set("ml_feature_skew_ratio", share, rows, feature=feature)
        missing = zip(SIDES, (summary.not_served, summary.not_offline), strict=True)
        for side, number in missing:
            share = ratio(number[place], weight)
            window.set("ml_feature_skew_missing_ratio", share, rows, feature=feature, side=side)
    asked = window.spec.skew.features if window.spec.skew is not None else None
    for feature in asked or window.schema.untyped:
        if feature not in summary.features:
            window.withhold("ml_feature_skew_ratio", Reason.UNKNOWN_TYPE, feature=feature)


def export_ages(window: WindowSummaries, ages: Composite) -> None:
    """Export how old features were at the time of the prediction; of all traffic."""
    for feature, summary in ages.items():
        assert isinstance(summary, FeatureAgeSummary)
        rows = summary.present
        for quantile in AGE_QUANTILES:
            value = duration_quantile(summary, float(quantile))
            window.set("ml_feature_age_seconds", value, rows, feature=feature, quantile=quantile)
        share = ratio(summary.later, rows)
        window.set("ml_feature_age_negative_ratio", share, rows, feature=feature)
