"""Drift gauges: one sample of a feature, or of the score, against one reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from exporter.reference import NumericReference
from exporter.statistics.contingency import chi_squared_p_value, cramers_v
from exporter.statistics.false_discovery import combined_p_value
from exporter.statistics.hellinger import hellinger_distance
from exporter.statistics.jensen_shannon import jensen_shannon_distance
from exporter.statistics.kolmogorov_smirnov import kolmogorov_smirnov, kolmogorov_smirnov_p_value
from exporter.statistics.moments import mean_shift
from exporter.statistics.population_stability import population_stability_index
from exporter.statistics.rank_sum import rank_sum_p_value
from exporter.statistics.wasserstein import wasserstein_distance
from exporter.summary.base import Floats
from exporter.summary.numeric import NumericSummary


@dataclass(frozen=True)
class NumericPair:
    """Numbers now and in a reference. ``bins``: the static reference whose edges both are counted over."""

    current: NumericSummary
    reference: NumericSummary
    bins: NumericReference

    @property
    def deviation(self) -> float:
        """The reference's population standard deviation."""
        return float(np.sqrt(self.reference.variance))

    def deciles(self) -> tuple[Floats, Floats]:
        """Counts over the bins of PSI: now, and in the reference."""
        return self.current.regrouped(self.bins.deciles), self.reference.regrouped(self.bins.deciles)

    def fine(self) -> tuple[Floats, Floats]:
        """Counts over the fine edges: now, and in the reference."""
        edges = self.bins.summary.edges
        return self.current.regrouped(edges), self.reference.regrouped(edges)


@dataclass(frozen=True)
class CategoricalPair:
    """Counts per category and of all others: now, and in a reference. Shape (categories + 1,) each."""

    current: Floats
    reference: Floats


def _ks_p_value(pair: NumericPair) -> float | None:
    statistic = kolmogorov_smirnov(*pair.fine())
    if statistic is None:
        return None
    return kolmogorov_smirnov_p_value(statistic, pair.current.present, pair.reference.present)


def _new_category_ratio(pair: CategoricalPair) -> float | None:
    return float(pair.current[pair.reference == 0].sum() / pair.current.sum())


def numeric_p_value(pair: NumericPair) -> float | None:
    """Chance of this difference without drift: of location (ranks) and of shape (Kolmogorov-Smirnov) combined."""
    found = [p for p in (rank_sum_p_value(*pair.fine()), _ks_p_value(pair)) if p is not None]
    return combined_p_value(*found) if found else None


def categorical_p_value(pair: CategoricalPair) -> float | None:
    """Chance of this difference without drift."""
    return chi_squared_p_value(pair.current, pair.reference)


NUMERIC: dict[str, Callable[[NumericPair], float | None]] = {
    "psi": lambda pair: population_stability_index(*pair.deciles()),
    "ks_statistic": lambda pair: kolmogorov_smirnov(*pair.fine()),
    "ks_p_value": _ks_p_value,
    "wasserstein_distance": lambda pair: wasserstein_distance(
        pair.current, pair.reference, pair.bins.summary.edges, pair.deviation
    ),
    "js_distance": lambda pair: jensen_shannon_distance(*pair.deciles()),
    "hellinger_distance": lambda pair: hellinger_distance(*pair.deciles()),
    "mean_shift_sigmas": lambda pair: mean_shift(pair.current, pair.reference, pair.deviation),
}
"""Statistic, as metrics name it, of numbers."""

CATEGORICAL: dict[str, Callable[[CategoricalPair], float | None]] = {
    "psi": lambda pair: population_stability_index(pair.current, pair.reference),
    "js_distance": lambda pair: jensen_shannon_distance(pair.current, pair.reference),
    "hellinger_distance": lambda pair: hellinger_distance(pair.current, pair.reference),
    "cramers_v": lambda pair: cramers_v(pair.current, pair.reference),
    "chi2_p_value": lambda pair: chi_squared_p_value(pair.current, pair.reference),
    "new_category_ratio": _new_category_ratio,
}
"""Statistic, as metrics name it, of categories."""

OF_SCORES = ("psi", "ks_statistic", "js_distance", "wasserstein_distance")
"""The statistics that ``ml_prediction_…`` has."""
