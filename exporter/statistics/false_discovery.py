"""False discovery rate: the features of many that drifted, with the false alarms of the whole data set held."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from exporter.summary.base import Floats

DATA_SET_LEVEL = 0.0002
FALSE_DISCOVERY_RATE = 0.3
_TRUNCATION = 0.1
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


def data_set_p_value(p_values: Floats) -> float:
    """Chance of p-values this small together, where no feature drifted and all are independent.

    The truncated Fisher combination with soft threshold at 0.1: the sum of log(0.1 / p) over those below; Zhang,
    Tong, Landers and Wu (2020). Exact: each of them adds an exponential variable, and how many there are is
    binomial. It sees several small shifts and one large one; features that say nothing add no noise.
    """
    number = len(p_values)
    below = np.clip(p_values[p_values < _TRUNCATION], _SMALLEST, None)
    if not len(below):
        return 1.0
    from scipy.special import gammaincc, gammaln

    total = float(np.sum(np.log(_TRUNCATION / below)))
    many = np.arange(1, number + 1.0)
    chances = np.exp(
        gammaln(number + 1)
        - gammaln(many + 1)
        - gammaln(number - many + 1)
        + many * np.log(_TRUNCATION)
        + (number - many) * np.log1p(-_TRUNCATION)
    )
    return float(chances @ gammaincc(many, total))


def drifted(p_values: Mapping[str, float]) -> set[str]:
    """The features that drifted, from one p-value each.

    First the data set as a whole: where ``data_set_p_value`` is above 0.0002 nothing has drifted. Behind that gate
    Benjamini and Hochberg's procedure (1995) names features at a false-discovery rate of 0.3. So one drift-free window
    in 5,000 names any feature, while a shift of several features is found that none of them shows by itself.
    The gate takes features as independent; where they are not, it lets more through, and the procedure behind it
    still holds.
    """
    if not p_values:
        return set()
    values = np.array(list(p_values.values()))
    if data_set_p_value(values) > DATA_SET_LEVEL:
        return set()
    limits = FALSE_DISCOVERY_RATE * np.arange(1, len(values) + 1) / len(values)
    passing = np.flatnonzero(np.sort(values) <= limits)
    if not len(passing):
        return set()
    limit = limits[passing[-1]]
    return {name for name, value in p_values.items() if value <= limit}
