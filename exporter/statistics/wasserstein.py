"""Wasserstein distance."""

from __future__ import annotations

import numpy as np

from exporter.statistics.finite import finite
from exporter.summary.base import Floats
from exporter.summary.numeric import NumericSummary

_SMALLEST_DEVIATION = float(np.finfo(np.float64).eps)


def wasserstein_distance(
    current: NumericSummary, reference: NumericSummary, edges: Floats, deviation: float
) -> float | None:
    """First Wasserstein distance (area between the distribution functions) in reference standard deviations.

    ``edges``: ascending, edges of both summaries, the outer ones around every reference value. ``deviation``: the
    reference's population standard deviation, floored at the rounding (2.2e-16) of its largest magnitude (of 1, where
    all is 0). What lies outside the edges is exact; inside, a bin's values are taken as evenly spread: off by at most
    ``wasserstein_bound``.
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
    outside = _beyond(current, reference, edges)
    if not np.isfinite(deviation) or (not deviation and reference.minimum < reference.maximum):
        return None
    scale = max(abs(float(reference.minimum)), abs(float(reference.maximum))) or 1.0
    return finite((inside + outside) / max(deviation, _SMALLEST_DEVIATION * scale))


def wasserstein_bound(
    current: NumericSummary, reference: NumericSummary, edges: Floats, deviation: float
) -> float:
    """Largest possible error of ``wasserstein_distance``: each bin's width by its two masses, halved."""
    p = current.regrouped(edges)[1:-1] / current.present
    q = reference.regrouped(edges)[1:-1] / reference.present
    return float(np.sum(np.diff(edges) * (p + q)) / 2 / deviation)


def _mean_magnitude(left: Floats, right: Floats) -> Floats:
    """Mean of |linear function| from ``left`` to ``right`` over a unit interval."""
    same_sign = left * right >= 0
    magnitudes = np.abs(left) + np.abs(right)
    crossing = np.divide(left**2 + right**2, 2 * magnitudes, out=np.zeros_like(left), where=magnitudes > 0)
    return np.where(same_sign, magnitudes / 2, crossing)


def _beyond(current: NumericSummary, reference: NumericSummary, edges: Floats) -> float:
    """Area outside the outer edges. A static reference has nothing there, and the area is a mean distance."""
    below = current.below(edges[0]) / current.present - reference.below(edges[0]) / reference.present
    above = current.above(edges[-1]) / current.present - reference.above(edges[-1]) / reference.present
    return abs(below) + abs(above)
