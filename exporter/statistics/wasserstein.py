"""Wasserstein distance."""

from __future__ import annotations

import numpy as np

from exporter.statistics.noise import EXCEEDED
from exporter.summary.base import Floats, finite
from exporter.summary.numeric import NumericSummary

_SMALLEST_DEVIATION = float(np.finfo(np.float64).eps)
_NODES = 64


def wasserstein_distance(
    current: NumericSummary, reference: NumericSummary, edges: Floats, deviation: float
) -> float | None:
    """First Wasserstein distance (area between the distribution functions) in reference standard deviations.

    ``edges``: ascending, edges of both summaries, the outer ones around every reference value. ``deviation``: the
    reference's population standard deviation, floored at the rounding (2.2e-16) of its largest magnitude (of 1, where
    all is 0). What lies outside the edges is exact; inside, a bin's values are taken as evenly spread: off by at most
    the sum over bins of the width by the two masses, halved, in deviations.
    Source: Ramdas, García Trillos and Cuturi (2017). None where either side is empty, sums of values are too large to
    be numbers, or the reference's values differ by less than their deviation can hold.
    """
    if not current.present or not reference.present or len(edges) < 2:
        return None
    p = current.regrouped(edges) / current.present
    q = reference.regrouped(edges) / reference.present
    gap = np.cumsum(p - q)[:-1]
    widths = np.diff(edges)
    inside = float(np.sum(widths * _mean_magnitude(gap[:-1], gap[1:])))
    # A static reference has nothing outside the outer edges, and the area there is a mean distance.
    below = current.below(edges[0]) / current.present - reference.below(edges[0]) / reference.present
    above = current.above(edges[-1]) / current.present - reference.above(edges[-1]) / reference.present
    outside = abs(below) + abs(above)
    if not np.isfinite(deviation) or (not deviation and reference.minimum < reference.maximum):
        return None
    scale = max(abs(float(reference.minimum)), abs(float(reference.maximum))) or 1.0
    return finite((inside + outside) / max(deviation, _SMALLEST_DEVIATION * scale))


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


def _mean_magnitude(left: Floats, right: Floats) -> Floats:
    """Mean of |linear function| from ``left`` to ``right`` over a unit interval."""
    same_sign = left * right >= 0
    magnitudes = np.abs(left) + np.abs(right)
    crossing = np.divide(left**2 + right**2, 2 * magnitudes, out=np.zeros_like(left), where=magnitudes > 0)
    return np.where(same_sign, magnitudes / 2, crossing)
