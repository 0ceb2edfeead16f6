"""Bounds of approximate statistics, as their docstrings state them: the largest distance to the exact value."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exporter.statistics import multiclass, ranking_quality, regression
from exporter.statistics.multiclass import Average
from exporter.statistics.performance_estimation import Calibrated, Expected
from exporter.summary.base import Floats
from exporter.summary.multiclass import MulticlassOutcomeSummary
from exporter.summary.numeric import NumericSummary
from exporter.summary.outcomes import ClassScoresSummary, OutcomeSummary
from exporter.summary.regression import RegressionOutcomeSummary


def kolmogorov_smirnov_bound(current: Floats, reference: Floats) -> float:
    """The largest min(p, q) of any bin."""
    return float(np.max(np.minimum(current / current.sum(), reference / reference.sum())))


def wasserstein_bound(
    current: NumericSummary, reference: NumericSummary, edges: Floats, deviation: float
) -> float:
    """Each bin's width by its two masses, halved."""
    p = current.regrouped(edges)[1:-1] / current.present
    q = reference.regrouped(edges)[1:-1] / reference.present
    return float(np.sum(np.diff(edges) * (p + q)) / 2 / deviation)


def auc_roc_bound(summary: OutcomeSummary) -> float:
    """Half the chance that a positive and a negative share a cell."""
    negatives, positives = summary.cells
    return _shared(negatives, positives)


def average_precision_bound(summary: OutcomeSummary) -> float:
    """The distance to the best and the worst order in each cell; 0 without positives."""
    negatives, positives = summary.cells
    weight = ranking_quality.mean_weight(summary)
    return _widest_order(negatives, positives, summary.lowest == summary.highest, weight)


def mean_auc_roc_bound(summary: MulticlassOutcomeSummary, average: Average) -> float:
    """The mean of the bounds of each class; 0 where no class has one."""
    bounds = [
        _shared(negatives, positives) if negatives.any() and positives.any() else np.nan
        for negatives, positives in summary.class_cells
    ]
    return _mean(summary, bounds, average)


def mean_average_precision_bound(summary: MulticlassOutcomeSummary, average: Average) -> float:
    """The mean of the bounds of each class; 0 where no class has one."""
    tied, weight = multiclass.TIED, ranking_quality.mean_weight(summary)
    bounds = [
        _widest_order(negatives, positives, tied, weight) if positives.any() else np.nan
        for negatives, positives in summary.class_cells
    ]
    return _mean(summary, bounds, average)


def estimated_auc_roc_bound(expected: Expected) -> float:
    """Half the chance that an expected positive and an expected negative share a bin; 0 with one class only."""
    negatives, positives = expected.negatives.sum(axis=0), expected.positives.sum(axis=0)
    return _shared(negatives, positives) if negatives.any() and positives.any() else 0.0


def estimated_accuracy_bound(summary: ClassScoresSummary, calibrated: Calibrated) -> float:
    """The mean over rows of the larger step from their bin's probability to a neighbour's, 0 and 1 beyond the ends."""
    steps = np.diff(calibrated.probabilities, prepend=0.0, append=1.0)
    widest = np.maximum(steps[:-1], steps[1:])
    at = np.append(np.searchsorted(calibrated.edges, summary.edges, side="left"), len(calibrated.edges))
    counts = summary.counts.sum(axis=0)
    return float(counts @ widest[at] / counts.sum()) if counts.any() else 0.0


def r_squared_bound(summary: RegressionOutcomeSummary) -> float | None:
    """The rounding of the labels' spread. None where the value is withheld."""
    value, rounding = regression.r_squared(summary), regression.rounding(summary)
    if value is None or rounding is None:
        return None
    return (1 - value) * rounding / (1 - rounding) + float(np.finfo(np.float64).eps)


def _mean(summary: MulticlassOutcomeSummary, bounds: list[float], average: Average) -> float:
    labels = summary.class_cells[:, 1].sum(axis=-1)
    return multiclass.averaged(np.array(bounds), labels, average) or 0.0


def _shared(negatives: Floats, positives: Floats) -> float:
    return float(positives @ negatives / (2 * positives.sum() * negatives.sum()))


def _widest_order(negatives: Floats, positives: Floats, tied: npt.NDArray[np.bool_], weight: float) -> float:
    if not positives.any():
        return 0.0
    ranked = ranking_quality.from_the_top(negatives, positives, tied)
    sums = ranking_quality.precisions(ranked, weight)
    # Best: all positives of the cell first, and tied. Worst: all last, one infinitely small weight after the other.
    best = ranked.here * (ranked.true + ranked.here) / (ranked.true + ranked.here + ranked.false)
    ahead = ranked.false + ranked.against
    above = np.where(ranked.true + ahead > 0, ranked.true + ahead, 1.0)
    worst = ranked.here - ahead * np.log1p(ranked.here / above)
    unsure = ~ranked.tied
    return float(max((best - sums)[unsure].sum(), (sums - worst)[unsure].sum()) / positives.sum())
