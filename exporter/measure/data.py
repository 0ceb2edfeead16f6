"""Data gauges against references: the drift of every feature, and of the data set."""

from __future__ import annotations

from exporter.fold.schema import view_part
from exporter.measure import drift
from exporter.measure.window_summaries import WindowSummaries
from exporter.statistics.defined import ratio
from exporter.statistics.false_discovery import combined_p_value, drifted


def export(window: WindowSummaries) -> None:
    """Export the drift of every view from every reference, and how many features drifted from each."""
    schema = window.schema
    p_values: dict[str, dict[str, list[float]]] = {name: {} for name in (*window.static, *window.past)}
    for view, binning in schema.binnings.items():
        feature = schema.views[view]
        static = {name: reference.views.get(view) for name, reference in window.static.items()}
        statistics = drift.statistics_of(binning)
        found = drift.export(window, "ml_feature", view_part(view), statistics, static, feature=view)
        if not schema.follows_the_clock(view):
            for reference, p_value in found.items():
                p_values[reference].setdefault(feature, []).append(p_value)
    for reference, by_feature in p_values.items():
        combined = {feature: combined_p_value(*values) for feature, values in by_feature.items()}
        # No feature compared: every one of them had too few rows.
        rows = None if combined else 0
        number = len(drifted(combined))
        window.set("ml_features_drifted", number, rows, reference=reference)
        share = ratio(number, len(combined))
        window.set("ml_features_drifted_ratio", share, rows, reference=reference)
    for reference, reason in window.absent.items():
        for name in ("ml_features_drifted", "ml_features_drifted_ratio"):
            window.withhold(name, reason, reference=reference)
