"""Noise level of count distances: the 99th percentile without drift."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from exporter.summary.base import Floats

EXCEEDED = 0.01
"""Share of drift-free windows in which a statistic is above its noise level."""

_SMALL = 30.0
# Of the mean over a standard normal variable.
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(16)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
Contribution = Callable[[Floats, Floats], Floats]


def count_noise(rows: float, reference: Floats, contribution: Contribution, scale: float) -> float | None:
    """Compute the 99 % point of the sum of ``contribution(p, q)`` over bins; near p = q it is ``scale`` (p - q)² / q.

    ``rows``: of the window. ``reference``: counts, shape (bins,). For the method see ``psi_noise``.
    """
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
    rows: float, counts: Floats, expected: Floats, total: float, contribution: Contribution
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
    rows: float, counts: Floats, expected: Floats, total: float, contribution: Contribution
) -> tuple[Floats, Floats]:
    """The same for bins with many: the count is taken as a gamma variable (Wilson and Hilferty, 1931)."""
    share = expected / total
    relative = (1 - share) / share * (1 / rows + 1 / total)
    ninth = relative[:, None] / 9
    p = share[:, None] * np.maximum(1 - ninth + _POINTS * np.sqrt(ninth), 0.0) ** 3
    values = contribution(*np.broadcast_arrays(p, counts[:, None] / total))
    return values @ _WEIGHTS, values**2 @ _WEIGHTS
