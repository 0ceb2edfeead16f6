"""Data gauges: drift, missing values and new categories of every feature."""

from __future__ import annotations

import numpy as np

from exporter.measure.frame import WindowFrame
from exporter.measure.gauges import Gauges
from exporter.reference import CategoricalReference, FeatureReference, NumericReference
from exporter.statistics.kolmogorov_smirnov import kolmogorov_smirnov
from exporter.statistics.population_stability import population_stability_index
from exporter.summary.base import Floats
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.numeric import NumericSummary

_PSI = "ml_feature_psi"
_KS = "ml_feature_ks_statistic"
_NEW = "ml_feature_new_category_ratio"
_MISSING = "ml_feature_missing_ratio"


def measure(frame: WindowFrame, gauges: Gauges) -> None:
    """Every feature against every reference; what has too few values in the window is withheld."""
    monitored = 0
    for part in frame.traffic:
        if not part.startswith("feature "):
            continue
        feature = part.removeprefix("feature ")
        summary: NumericSummary | CategoricalSummary = frame.traffic[part]
        _missing(frame, gauges, feature, summary)
        monitored += frame.enough(summary.present)
        known = [
            reference.features[feature]
            for reference in frame.static.values()
            if feature in reference.features
        ]
        for name, reference in frame.static.items():
            _drift(frame, gauges, feature, summary, name, reference.features.get(feature), None)
        for name, past in frame.sliding.items():
            _drift(frame, gauges, feature, summary, name, known[0] if known else None, past[part])
    if frame.traffic["traffic"].rows:
        gauges.set("ml_features_monitored", monitored, **frame.labels)


def _missing(
    frame: WindowFrame, gauges: Gauges, feature: str, summary: NumericSummary | CategoricalSummary
) -> None:
    if frame.enough(summary.rows):
        gauges.set(_MISSING, float(summary.missing) / summary.rows, **frame.labels, feature=feature)
    else:
        gauges.withhold(_MISSING, "too_few_samples", **frame.labels, feature=feature)


def _drift(
    frame: WindowFrame,
    gauges: Gauges,
    feature: str,
    current: NumericSummary | CategoricalSummary,
    reference_name: str,
    bins: FeatureReference | None,
    past: NumericSummary | CategoricalSummary | None,
) -> None:
    """``bins``: the static reference that fixes the bins; ``past``: what to compare with, if not that one."""
    labels = {**frame.labels, "feature": feature, "reference": reference_name}
    numeric = isinstance(current, NumericSummary)
    names = (_PSI, _KS) if numeric else (_PSI, _NEW)
    reason = _withheld(frame, current, bins, past)
    if reason:
        for name in names:
            gauges.withhold(name, reason, **labels)
    elif isinstance(current, NumericSummary) and isinstance(bins, NumericReference):
        compared = past if isinstance(past, NumericSummary) else bins.summary
        deciles = bins.deciles
        gauges.set(
            _PSI,
            population_stability_index(current.regrouped(deciles), compared.regrouped(deciles)),
            **labels,
        )
        edges = bins.summary.edges
        gauges.set(_KS, kolmogorov_smirnov(current.regrouped(edges), compared.regrouped(edges)), **labels)
    elif isinstance(current, CategoricalSummary) and isinstance(bins, CategoricalReference):
        counts, expected = _category_counts(current, bins, past)
        gauges.set(_PSI, population_stability_index(counts, expected), **labels)
        gauges.set(_NEW, float(counts[expected == 0].sum() / counts.sum()), **labels)


def _withheld(
    frame: WindowFrame,
    current: NumericSummary | CategoricalSummary,
    bins: FeatureReference | None,
    past: NumericSummary | CategoricalSummary | None,
) -> str | None:
    if bins is None:
        return "not_in_reference"
    if not frame.enough(current.present):
        return "too_few_samples"
    if past is not None and not frame.enough(past.present):
        return "reference_too_small"
    return None


def _category_counts(
    current: CategoricalSummary, bins: CategoricalReference, past: NumericSummary | CategoricalSummary | None
) -> tuple[Floats, Floats]:
    """Counts over the reference's categories and one bin for all others: now, and in the reference."""
    categories = bins.summary.categories
    compared = past if isinstance(past, CategoricalSummary) else bins.summary
    return current.over(categories), np.asarray(compared.over(categories))
