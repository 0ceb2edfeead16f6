"""What chance alone does to the distances between numbers: the level that 1 of 100 drift-free windows exceeds."""

from __future__ import annotations

import numpy as np

from exporter.statistics.noise import EXCEEDED
from exporter.summary.base import Floats
from exporter.summary.numeric import NumericSummary

_NODES = 64


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


def wasserstein_noise(
    rows: float, reference: NumericSummary, edges: Floats, deviation: float
) -> float | None:
    """Noise level of ``wasserstein_distance``, of which ``reference``, ``edges`` and ``deviation`` are.

    sqrt(1/n + 1/N) times the 99 % point of the integral of |Brownian bridge of F(x)| over x (del Barrio, Giné and
    Matrán, 1999), whose mean and variance are those of the reference's bins. It is taken as a lognormal variable, with
    a correction fitted to simulated bridges of six distributions, one step to lognormal: within 1.5 % of the point of
    each, and 64 points of the bridge make it up to 4 % larger with heavy tails. 0 where all values are one.
    None where either side is empty, or values differ by less than their deviation can hold.

    Simulated: 0.4 to 1.6 % of windows of 200 to 10,000 rows exceed it, against 10,000 and 20,000; with heavy tails
    (lognormal, Student's t of 3) up to 3.1 % against 1,000, which tell too little of the tail.
    """
    if not rows or not reference.present or len(edges) < 2:
        return None
    below = np.cumsum(reference.regrouped(edges))[:-1] / reference.present
    widths = np.diff(edges)
    lengths = np.concatenate([widths, [0.0]]) / 2 + np.concatenate([[0.0], widths]) / 2
    inner = (below > 0) & (below < 1)
    below, lengths = below[inner], lengths[inner]
    if not len(below):
        return 0.0
    if not deviation or not np.isfinite(deviation):
        return None
    from scipy.special import ndtri

    weights = lengths * np.sqrt(below * (1 - below))
    mean = np.sqrt(2 / np.pi) * weights.sum()
    # Neighbours are nearly one variable: a few dozen of them hold the variance.
    step = -(-len(below) // _NODES)
    weights, below = np.add.reduceat(weights, np.arange(0, len(below), step)), below[step // 2 :: step]
    weights[len(below) - 1 :] = weights[len(below) - 1 :].sum()
    weights = weights[: len(below)]
    odds = np.sqrt(below / (1 - below))
    # Of values u <= v of F the bridge's correlation is the ratio of their roots of the odds.
    correlation = np.minimum.outer(odds, odds) / np.maximum.outer(odds, odds)
    products = np.sqrt(1 - correlation**2) + correlation * np.arcsin(correlation) - 1
    variance = 2 / np.pi * float(weights @ products @ weights)
    relative = variance / mean**2
    width = np.sqrt(np.log1p(relative))
    level = mean * np.exp(width * ndtri(1 - EXCEEDED) - width**2 / 2) / (0.93 + 0.43 * relative)
    return float(level * np.sqrt(1 / rows + 1 / reference.present) / deviation)


def mean_shift_noise(rows: float, reference_rows: float, deviation: float) -> float | None:
    """Noise level of ``mean_shift``: 2.58 sqrt(1/n + 1/N), the normal limit.

    Simulated, 200 to 10,000 rows against 1,000 to 20,000: 0.5 to 1.7 % of windows exceed it, up to 2.3 % of lognormal
    values; the heavier the tails, the more rows it takes. None where either side is empty or the reference is constant.
    """
    if not rows or not reference_rows or not deviation or not np.isfinite(deviation):
        return None
    from scipy.special import ndtri

    return float(ndtri(1 - EXCEEDED / 2) * np.sqrt(1 / rows + 1 / reference_rows))
