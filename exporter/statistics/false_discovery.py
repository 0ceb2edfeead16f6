"""Which of many features drifted, with the false alarms of the whole data set held."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

DATA_SET_LEVEL = 0.0005
FALSE_DISCOVERY_RATE = 0.3
_SMALLEST = 1e-15


def combined_p_value(*p_values: float) -> float:
    """One p-value of several dependent tests of the same feature: the Cauchy combination, Liu and Xie (2020)."""
    clipped = np.clip(p_values, _SMALLEST, 1 - _SMALLEST)
    return float(0.5 - np.arctan(np.mean(np.tan((0.5 - clipped) * np.pi))) / np.pi)


def drifted(p_values: Mapping[str, float]) -> set[str]:
    """The features that drifted, from one p-value each.

    First the data set as a whole: the sum of squared normal scores is compared with its chi-squared
    distribution (Stouffer et al., 1949), and where its p-value is above 0.0005 nothing has drifted. Behind that gate
    Benjamini and Hochberg's procedure (1995) names features at a false-discovery rate of 0.3. So one drift-free window
    in 2,000 names any feature, while a shift of several features is found that none of them shows by itself.
    The gate takes features as independent; where they are not, it lets more through, and the procedure behind it
    still holds.
    """
    from scipy.special import gammaincc, ndtri

    if not p_values:
        return set()
    values = np.clip(np.array(list(p_values.values())), _SMALLEST, 1.0)
    squares = ndtri(values / 2) ** 2
    if gammaincc(len(values) / 2, squares.sum() / 2) > DATA_SET_LEVEL:
        return set()
    limits = FALSE_DISCOVERY_RATE * np.arange(1, len(values) + 1) / len(values)
    passing = np.flatnonzero(np.sort(values) <= limits)
    if not len(passing):
        return set()
    limit = limits[passing[-1]]
    return {name for name, value in p_values.items() if value <= limit}
