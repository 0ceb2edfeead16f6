"""Kolmogorov-Smirnov statistic of binned samples."""

from __future__ import annotations

import numpy as np

from exporter.statistics.noise import EXCEEDED
from exporter.summary.base import Floats


def kolmogorov_smirnov(current: Floats, reference: Floats) -> float | None:
    """D = max |F(edge) - G(edge)| over the bins' edges.

    ``current`` and ``reference``: counts over the same bins, shape (bins,). At most the exact two-sample D, and less
    than it by at most the largest min(p, q) of any bin: inside a bin the two distribution functions can differ by no
    more than the smaller of its two masses beyond their difference at one of its edges. 200 quantile bins of the
    reference keep that under 1/100 (1/200 where the reference has no ties). None where either side is empty.
    """
    if not current.sum() or not reference.sum():
        return None
    return float(np.max(np.abs(np.cumsum(current) / current.sum() - np.cumsum(reference) / reference.sum())))


def kolmogorov_smirnov_p_value(statistic: float, current: float, reference: float) -> float:
    """Chance of a D this large without drift, for ``current`` and ``reference`` rows.

    The limiting distribution with Stephens's correction (1970), within 0.02 of the exact one from 50 rows on. From
    a binned D, which is never too large, the p-value is never too small.
    """
    from scipy.special import kolmogorov

    root = np.sqrt(current * reference / (current + reference))
    return float(kolmogorov((root + 0.12 + 0.11 / root) * statistic))


def kolmogorov_smirnov_noise(rows: float, reference: Floats) -> float | None:
    """Noise level of ``kolmogorov_smirnov`` for ``rows`` current rows against the counts ``reference``.

    The smaller of two upper bounds: Kolmogorov's distribution with Stephens's correction (1970), near where values
    hardly repeat, and Bonferroni's over the edges, near where there are few values. 0 where all share one. None where
    either side is empty.

    Simulated, 200 to 10,000 rows against 1,000 to 20,000: 0.3 to 1.5 % of windows exceed it where values hardly repeat,
    0.1 to 0.8 % with ties; where most values are one and the others differ, hardly any.
    """
    total = float(reference.sum())
    if not rows or not total:
        return None
    from scipy.special import kolmogi, ndtr

    spread = 1 / rows + 1 / total
    root = 1 / np.sqrt(spread)
    continuous = float(kolmogi(EXCEEDED) / (root + 0.12 + 0.11 / root) / np.sqrt(spread))
    below = np.cumsum(reference)[:-1] / total
    deviations = np.sqrt(below * (1 - below))
    distinct, repeats = np.unique(deviations[deviations > 0], return_counts=True)
    if not len(distinct):
        return 0.0

    def exceeded(level: float) -> float:
        return 2 * float(repeats @ ndtr(-level / distinct))

    low, high = 0.0, continuous
    if exceeded(high) < EXCEEDED:
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if exceeded(middle) > EXCEEDED else (low, middle)
    return float(high * np.sqrt(spread))
