"""False discovery rate: the features of many that drifted, with the false alarms of the whole data set held."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from exporter.summary.base import Floats

DATA_SET_LEVEL = 0.0002
ALONE_LEVEL = DATA_SET_LEVEL / 10
FALSE_DISCOVERY_RATE = 0.3
TRUNCATION = 0.1
_SMALLEST = 1e-15


def combined_p_value(*p_values: float, weights: Sequence[float] | None = None) -> float:
    """One p-value of several dependent tests of the same feature: the Cauchy combination, Liu and Xie (2020).

    ``weights``: how much each counts, of any sum; equal where there are none.
    """
    shares = weights or [1.0] * len(p_values)
    # Single numbers, in every comparison of every feature: numpy would cost thirty times as much.
    heights = (math.tan((0.5 - min(max(p, _SMALLEST), 1 - _SMALLEST)) * math.pi) for p in p_values)
    height = sum(share * each for share, each in zip(shares, heights, strict=True)) / sum(shares)
    return 0.5 - math.atan(height) / math.pi


def combined_p_values(p_values: Sequence[Floats], weights: Sequence[float] | None = None) -> Floats:
    """``combined_p_value`` of arrays of p-values, each of one test, of the same shape."""
    together = np.clip(p_values, _SMALLEST, 1 - _SMALLEST)
    heights = np.average(np.tan((0.5 - together) * np.pi), axis=0, weights=weights)
    found: Floats = 0.5 - np.arctan(heights) / np.pi
    return found


def data_set_p_value(p_values: Floats, weights: Floats | None = None) -> float:
    """Chance of p-values this small together, where no feature drifted and all are independent.

    The truncated Fisher combination with soft threshold at 0.1: the sum of log(0.1 / p) over those below; Zhang,
    Tong, Landers and Wu (2020). Exact: each of them adds an exponential variable, and how many there are is
    binomial. It sees several small shifts and one large one; features that say nothing add no noise.

    ``weights``: of each p-value, at most 1; where features depend on each other, several count as one. Their sum is the
    number of independent ones, as in Brown's method (1975).
    """
    weights = np.ones(len(p_values)) if weights is None else weights
    number = max(1, round(float(weights.sum())))
    if not np.any(p_values < TRUNCATION):
        return 1.0
    from scipy.special import gammaincc, gammaln

    total = float(weights @ evidence(p_values)) * number / float(weights.sum())
    many = np.arange(1, number + 1.0)
    chances = np.exp(
        gammaln(number + 1)
        - gammaln(many + 1)
        - gammaln(number - many + 1)
        + many * np.log(TRUNCATION)
        + (number - many) * np.log1p(-TRUNCATION)
    )
    return float(chances @ gammaincc(many, total))


def evidence(p_values: Floats) -> Floats:
    """log(0.1 / p) of each p-value below 0.1, 0 of the others."""
    found: Floats = np.log(TRUNCATION / np.clip(p_values, _SMALLEST, TRUNCATION))
    return found


def drifted(
    p_values: Mapping[str, float],
    effect_sizes: Mapping[str, float] | None = None,
    least: float = 0.0,
    dependence: Mapping[str, float] | None = None,
    rate: float = FALSE_DISCOVERY_RATE,
) -> set[str]:
    """The features whose change is beyond the noise and large enough to matter, from one p-value each.

    First the data set as a whole: where ``data_set_p_value`` is above 0.0002 nothing has drifted, unless one feature
    alone is enough, by Bonferroni at 0.00002: one that counts as a third of a feature would be lost among the others.
    Behind that gate Benjamini and Hochberg's procedure (1995) names features at a false-discovery rate of 0.3. So one
    drift-free window in 4,500 names any feature, while a shift of several features is found that none of them shows by
    itself. Of those, the ones whose effect size is ``least`` or more have drifted.
    ``dependence``: as how many features each one counts, where that is known. Else the gate takes features as
    independent; where they are not, it lets more through, and the procedure behind it still holds. ``rate``: of false
    discoveries, in place of 0.3.
    """
    if not p_values:
        return set()
    values = np.array(list(p_values.values()))
    weights = None if dependence is None else np.array([1 / dependence.get(name, 1.0) for name in p_values])
    alone = len(values) * float(values.min())
    if data_set_p_value(values, weights) > DATA_SET_LEVEL and alone > ALONE_LEVEL:
        return set()
    limits = rate * np.arange(1, len(values) + 1) / len(values)
    passing = np.flatnonzero(np.sort(values) <= limits)
    if not len(passing):
        return set()
    limit = limits[passing[-1]]
    named = {name for name, value in p_values.items() if value <= limit}
    return named if effect_sizes is None else {name for name in named if effect_sizes[name] >= least}
