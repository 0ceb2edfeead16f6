"""What chance alone does to the distances between counts: the level that 1 of 100 drift-free windows exceeds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from exporter.statistics.population_stability import FLOOR
from exporter.summary.base import Floats

EXCEEDED = 0.01
"""Share of drift-free windows in which a statistic is above its noise level."""

_SMALL = 30.0
_Contribution = Callable[[Floats, Floats], Floats]


def psi_noise(rows: float, reference: Floats) -> float | None:
    """Noise level of ``population_stability_index`` for ``rows`` current rows against the counts ``reference``.

    ``reference``: shape (bins,), the bins of the statistic. Asymptotically (1/n + 1/N) times the 99 % point of
    chi-squared with bins - 1 degrees of freedom (Yurdakul and Naranjo, 2020). Here the mean and the variance of each
    bin's contribution, floor included, are taken over the counts to expect given the reference's (beta-binomial), and
    their sum is taken as a gamma variable. Bins that the reference has no rows in share the rows to expect there, as
    many as it has bins of one row (Good, 1953). 0 where all rows share one bin. None where either side is empty.

    Simulated, 200 to 10,000 rows against 1,000 to 20,000: 0.5 to 2.1 % of windows exceed it, with deciles or ten uneven
    categories; up to 3.2 % with 300 categories, most of them rare. Windows against one fixed reference share its
    luck: the smaller it is beside the window, the more their rate varies about that. With thousands of categories of
    hardly a row each the level is far too high: bins are taken as nearly independent.
    """

    def contribution(p: Floats, q: Floats) -> Floats:
        p, q = np.maximum(p, FLOOR), np.maximum(q, FLOOR)
        terms: Floats = (p - q) * np.log(p / q)
        return terms

    level = _level(rows, reference, contribution, 1.0)
    return None if level is None else min(2 * float(np.log(1 / FLOOR)), level)


def jensen_shannon_noise(rows: float, reference: Floats) -> float | None:
    """Noise level of ``jensen_shannon_distance``; as ``psi_noise``, with the square root of chi-squared / (8 ln 2)."""

    def contribution(p: Floats, q: Floats) -> Floats:
        middle = (p + q) / 2
        return (_entropy_term(p, middle) + _entropy_term(q, middle)) / 2

    level = _level(rows, reference, contribution, 1 / (8 * np.log(2)))
    return None if level is None else min(1.0, float(np.sqrt(level)))


def hellinger_noise(rows: float, reference: Floats) -> float | None:
    """Noise level of ``hellinger_distance``; as ``psi_noise``, with the square root of chi-squared / 8."""

    def contribution(p: Floats, q: Floats) -> Floats:
        terms: Floats = (np.sqrt(p) - np.sqrt(q)) ** 2 / 2
        return terms

    level = _level(rows, reference, contribution, 1 / 8)
    return None if level is None else min(1.0, float(np.sqrt(level)))


def cramers_v_noise(rows: float, reference: Floats) -> float | None:
    """Noise level of ``cramers_v``; as ``psi_noise``, with the square root of chi-squared / (n + N)."""
    total = float(reference.sum())
    if not rows or not total:
        return None
    share = rows * total / (rows + total) ** 2

    def contribution(p: Floats, q: Floats) -> Floats:
        pooled = (rows * p + total * q) / (rows + total)
        terms: Floats = np.divide((p - q) ** 2, pooled, out=np.zeros_like(pooled), where=pooled > 0)
        return share * terms

    level = _level(rows, reference, contribution, share)
    return None if level is None else min(1.0, float(np.sqrt(level)))


def _entropy_term(p: Floats, middle: Floats) -> Floats:
    """p log2(p / middle), 0 where p is."""
    ratio = np.divide(p, middle, out=np.ones_like(middle), where=p > 0)
    terms: Floats = p * np.log2(ratio)
    return terms


def _level(rows: float, reference: Floats, contribution: _Contribution, scale: float) -> float | None:
    """The 99 % point of the sum of ``contribution(p, q)`` over bins; near p = q it is ``scale`` (p - q)² / q."""
    total = float(reference.sum())
    if not rows or not total:
        return None
    from scipy.special import gammaincinv

    counts, found = np.unique(reference, return_counts=True)
    repeats = found.astype(np.float64)
    expected = _expected(counts, repeats, total)
    possible = (expected > 0) & (expected < total)
    counts, repeats, expected = counts[possible], repeats[possible], expected[possible]
    mean = variance = 0.0
    small = rows * expected / total < _SMALL
    for part, moments in ((small, _counted), (~small, _smooth)):
        if part.any():
            means, squares = moments(rows, counts[part], expected[part], total, contribution)
            mean += float(repeats[part] @ means)
            variance += float(repeats[part] @ np.maximum(squares - means**2, 0.0))
    if not mean:
        return 0.0
    # Shares sum to one, so that no two bins are independent.
    together = 1.0 - float(repeats @ (expected / total) ** 2)
    variance += 2 * max(together, 0.0) * (scale * (1 / rows + 1 / total)) ** 2
    return float(variance / mean * gammaincinv(mean**2 / variance, 1 - EXCEEDED))


def _expected(counts: Floats, repeats: Floats, total: float) -> Floats:
    """The reference rows that each count stands for, after a share of them is given to bins that have none."""
    empty = counts == 0
    unseen = float(repeats[counts == 1].sum()) if empty.any() else 0.0
    if not unseen or unseen >= total:
        return counts
    return np.where(empty, unseen / repeats[empty].sum(), counts * (1 - unseen / total))


def _counted(
    rows: float, counts: Floats, expected: Floats, total: float, contribution: _Contribution
) -> tuple[Floats, Floats]:
    """Mean and mean square of the contribution of bins with few rows, over every count there may be."""
    from scipy.special import betaln, gammaln

    means = rows * expected / total
    most = min(rows, np.ceil(np.max(means + 10 * np.sqrt(means * (1 + rows / total)) + 10)))
    found = np.arange(most + 1)
    a, b = expected[:, None], (total - expected)[:, None]
    ways = gammaln(rows + 1) - gammaln(found + 1) - gammaln(rows - found + 1)
    chances = np.exp(ways + betaln(found + a, rows - found + b) - betaln(a, b))
    values = contribution(*np.broadcast_arrays(found / rows, counts[:, None] / total))
    return np.sum(chances * values, axis=1), np.sum(chances * values**2, axis=1)


def _smooth(
    rows: float, counts: Floats, expected: Floats, total: float, contribution: _Contribution
) -> tuple[Floats, Floats]:
    """The same for bins with many: the count is taken as a gamma variable (Wilson and Hilferty, 1931)."""
    points, weights = _normal_points()
    share = expected / total
    relative = (1 - share) / share * (1 / rows + 1 / total)
    ninth = relative[:, None] / 9
    p = share[:, None] * np.maximum(1 - ninth + points * np.sqrt(ninth), 0.0) ** 3
    values = contribution(*np.broadcast_arrays(p, counts[:, None] / total))
    return values @ weights, values**2 @ weights


@cache
def _normal_points() -> tuple[Floats, Floats]:
    """Points and weights of the mean over a standard normal variable."""
    points, weights = np.polynomial.hermite_e.hermegauss(16)
    return points, weights / weights.sum()
