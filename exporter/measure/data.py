"""Data gauges: missing values, description and drift of every feature."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from exporter.measure.drift import (
    CATEGORICAL,
    NUMERIC,
    CategoricalPair,
    NumericPair,
    categorical_p_value,
    numeric_p_value,
)
from exporter.measure.frame import WindowFrame
from exporter.measure.gauges import Gauges
from exporter.reference import CategoricalReference, FeatureReference, NumericReference
from exporter.statistics.false_discovery import drifted
from exporter.statistics.moments import quantile
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.numeric import NumericSummary

QUANTILES = ("0.05", "0.25", "0.5", "0.75", "0.95")

Summaries = NumericSummary | CategoricalSummary


def measure(frame: WindowFrame, gauges: Gauges, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Every feature by itself and against every reference; what has too few values in the window is withheld.

    ``ranges``: the declared range of a feature, whose ends are among its edges.
    """
    monitored = 0
    p_values: dict[str, dict[str, float]] = {name: {} for name in (*frame.static, *frame.sliding)}
    for part in frame.traffic:
        if not part.startswith("feature "):
            continue
        feature = part.removeprefix("feature ")
        summary: Summaries = frame.traffic[part]
        monitored += frame.enough(summary.present)
        _missing(frame, gauges, feature, summary)
        if isinstance(summary, NumericSummary):
            _description(frame, gauges, feature, summary, ranges.get(feature))
        known = [
            reference.features[feature]
            for reference in frame.static.values()
            if feature in reference.features
        ]
        compared: list[tuple[str, FeatureReference | None, Summaries | None]] = [
            (name, reference.features.get(feature), None) for name, reference in frame.static.items()
        ]
        compared += [(name, known[0] if known else None, past[part]) for name, past in frame.sliding.items()]
        for name, bins, past in compared:
            p_value = _drift(frame, gauges, feature, summary, name, bins, past)
            if p_value is not None:
                p_values[name][feature] = p_value
    for name, by_feature in p_values.items():
        _of_all(frame, gauges, name, by_feature)
    if frame.traffic["traffic"].rows:
        gauges.set("ml_features_monitored", monitored, **frame.labels)


def _of_all(frame: WindowFrame, gauges: Gauges, reference: str, p_values: Mapping[str, float]) -> None:
    labels = {**frame.labels, "reference": reference}
    if p_values:
        number = len(drifted(p_values))
        gauges.set("ml_features_drifted", number, **labels)
        gauges.set("ml_features_drifted_ratio", number / len(p_values), **labels)
    else:
        gauges.withhold("ml_features_drifted", "too_few_samples", **labels)
        gauges.withhold("ml_features_drifted_ratio", "too_few_samples", **labels)


def _missing(frame: WindowFrame, gauges: Gauges, feature: str, summary: Summaries) -> None:
    name, labels = "ml_feature_missing_ratio", {**frame.labels, "feature": feature}
    if frame.enough(summary.rows):
        gauges.set(name, float(summary.missing) / summary.rows, **labels)
    else:
        gauges.withhold(name, "too_few_samples", **labels)


def _description(
    frame: WindowFrame,
    gauges: Gauges,
    feature: str,
    summary: NumericSummary,
    declared: tuple[float, float] | None,
) -> None:
    labels = {**frame.labels, "feature": feature}
    values: dict[str, float | None] = {
        "ml_feature_mean": summary.mean,
        "ml_feature_stddev": float(np.sqrt(summary.variance)) if summary.present else None,
        "ml_feature_min": float(summary.minimum),
        "ml_feature_max": float(summary.maximum),
    }
    if declared is not None:
        low, high = np.nextafter(declared[0], -np.inf), declared[1]
        counts = summary.regrouped(np.array([low, high]))
        present = summary.present
        values["ml_feature_out_of_range_ratio"] = float(counts[0] + counts[2]) / present if present else None
    for name, value in values.items():
        if frame.enough(summary.present):
            gauges.set(name, value, **labels)
        else:
            gauges.withhold(name, "too_few_samples", **labels)
    for probability in QUANTILES:
        name = "ml_feature_quantile"
        if frame.enough(summary.present):
            gauges.set(name, quantile(summary, float(probability)), **labels, quantile=probability)
        else:
            gauges.withhold(name, "too_few_samples", **labels)


def _drift(
    frame: WindowFrame,
    gauges: Gauges,
    feature: str,
    current: Summaries,
    reference_name: str,
    bins: FeatureReference | None,
    past: Summaries | None,
) -> float | None:
    """Export the distances; returns the chance of them without drift, None where that is not known.

    ``bins``: the static reference that fixes the bins; ``past``: what to compare with, if not that one.
    """
    labels = {**frame.labels, "feature": feature, "reference": reference_name}
    reason = _withheld(frame, current, bins, past)
    if reason:
        statistics = NUMERIC if isinstance(current, NumericSummary) else CATEGORICAL
        for statistic in statistics:
            gauges.withhold(f"ml_feature_{statistic}", reason, **labels)
    elif isinstance(current, NumericSummary) and isinstance(bins, NumericReference):
        pair = NumericPair(current, past if isinstance(past, NumericSummary) else bins.summary, bins)
        for statistic, of_numbers in NUMERIC.items():
            gauges.set(f"ml_feature_{statistic}", of_numbers(pair), **labels)
        return numeric_p_value(pair)
    elif isinstance(current, CategoricalSummary) and isinstance(bins, CategoricalReference):
        categories = bins.summary.categories
        compared = past if isinstance(past, CategoricalSummary) else bins.summary
        counts = CategoricalPair(current.over(categories), compared.over(categories))
        for statistic, of_categories in CATEGORICAL.items():
            gauges.set(f"ml_feature_{statistic}", of_categories(counts), **labels)
        return categorical_p_value(counts)
    return None


def _withheld(
    frame: WindowFrame, current: Summaries, bins: FeatureReference | None, past: Summaries | None
) -> str | None:
    if bins is None:
        return "not_in_reference"
    if not frame.enough(current.present):
        return "too_few_samples"
    if past is not None and not frame.enough(past.present):
        return "reference_too_small"
    return None
