"""Numbers against a reference's numbers."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from exporter.measure.drift.comparison import Comparison, Noise, Statistic
from exporter.references.reference import NumericReference
from exporter.statistics.false_discovery import combined_p_value
from exporter.statistics.hellinger import hellinger_distance
from exporter.statistics.jensen_shannon import jensen_shannon_distance
from exporter.statistics.kolmogorov_smirnov import kolmogorov_smirnov, kolmogorov_smirnov_p_value
from exporter.statistics.moments import mean_shift
from exporter.statistics.noise import hellinger_noise, jensen_shannon_noise, psi_noise
from exporter.statistics.noise_of_numbers import (
    kolmogorov_smirnov_noise,
    mean_shift_noise,
    wasserstein_noise,
)
from exporter.statistics.normal_scores import normal_scores_p_value
from exporter.statistics.population_stability import population_stability_index
from exporter.statistics.wasserstein import wasserstein_distance
from exporter.summary.base import Floats
from exporter.summary.numeric import NumericSummary

STATISTICS: tuple[Statistic, ...] = (
    "psi",
    "ks_statistic",
    "ks_p_value",
    "wasserstein_distance",
    "js_distance",
    "hellinger_distance",
    "mean_shift_sigmas",
)


# Most of what drifts moves; what only changes its shape must show by itself.
_WEIGHTS = (0.8, 0.2)


class NumericPair:
    """Numbers now and in a reference. ``bins``: the reference whose edges both are counted over."""

    def __init__(self, current: NumericSummary, reference: NumericSummary, bins: NumericReference) -> None:
        self.current = current
        self.reference = reference
        self._bins = bins

    @cached_property
    def deviation(self) -> float:
        """The reference's population standard deviation."""
        return float(np.sqrt(self.reference.variance))

    @cached_property
    def deciles(self) -> tuple[Floats, Floats]:
        """Counts over the bins of PSI: now, and in the reference."""
        edges = self._bins.deciles
        return self.current.regrouped(edges), self.reference.regrouped(edges)

    @property
    def edges(self) -> Floats:
        """The fine edges."""
        return self._bins.summary.edges

    @cached_property
    def fine(self) -> tuple[Floats, Floats]:
        """Counts over the fine edges: now, and in the reference."""
        return self.current.regrouped(self.edges), self.reference.regrouped(self.edges)

    @cached_property
    def distance(self) -> float | None:
        """Kolmogorov-Smirnov's."""
        return kolmogorov_smirnov(*self.fine)

    @cached_property
    def chance(self) -> float | None:
        """Of such a distance without drift."""
        if self.distance is None:
            return None
        return kolmogorov_smirnov_p_value(self.distance, self.current.present, self.reference.present)


def compare(current: NumericSummary, reference: NumericSummary, bins: NumericReference) -> Comparison:
    """All statistics of numbers."""
    pair = NumericPair(current, reference, bins)
    return Comparison(
        values={
            "psi": population_stability_index(*pair.deciles),
            "ks_statistic": pair.distance,
            "ks_p_value": pair.chance,
            "wasserstein_distance": wasserstein_distance(current, reference, pair.edges, pair.deviation),
            "js_distance": jensen_shannon_distance(*pair.deciles),
            "hellinger_distance": hellinger_distance(*pair.deciles),
            "mean_shift_sigmas": mean_shift(current, reference, pair.deviation),
        },
        p_value=p_value(pair),
    )


def p_value(pair: NumericPair) -> float | None:
    """Chance of this difference without drift: of location (normal scores) and of shape (Kolmogorov-Smirnov)."""
    location, shape = normal_scores_p_value(*pair.fine), pair.chance
    if location is None or shape is None:
        return shape
    return combined_p_value(location, shape, weights=_WEIGHTS)


def noise(rows: float, reference: NumericSummary, bins: NumericReference) -> Noise:
    """The no-drift levels of ``rows`` numbers."""
    deciles, edges = reference.regrouped(bins.deciles), bins.summary.edges
    deviation = float(np.sqrt(reference.variance))
    return {
        "psi": psi_noise(rows, deciles),
        "ks_statistic": kolmogorov_smirnov_noise(rows, reference.regrouped(edges)),
        "wasserstein_distance": wasserstein_noise(rows, reference, edges, deviation),
        "js_distance": jensen_shannon_noise(rows, deciles),
        "hellinger_distance": hellinger_noise(rows, deciles),
        "mean_shift_sigmas": mean_shift_noise(rows, reference.present, deviation),
    }
