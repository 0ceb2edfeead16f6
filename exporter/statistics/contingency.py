"""Association of category and sample: chi-squared and Cramér's V."""

from __future__ import annotations

import math

import numpy as np

from exporter.statistics.noise import count_noise
from exporter.summary.base import Floats, ratio


def chi_squared(current: Floats, reference: Floats) -> tuple[float, int] | None:
    """Pearson's statistic of the 2 × categories table, no Yates correction, and its degrees of freedom.

    ``current`` and ``reference``: counts over the union of categories, shape (categories,); categories that neither
    side has are left out. Exact. None where either side is empty or fewer than two categories remain.
    """
    table = np.stack([current, reference])
    table = table[:, table.sum(axis=0) > 0]
    total = table.sum()
    if not table.sum(axis=1).all() or table.shape[1] < 2:
        return None
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / total
    return float(np.sum((table - expected) ** 2 / expected)), table.shape[1] - 1


def chi_squared_p_value(current: Floats, reference: Floats) -> float | None:
    """Chance of a statistic this large without any drift. None where ``chi_squared`` is.

    An approximation that wants five expected rows or more in most cells (Cochran, 1954).
    """
    found = chi_squared(current, reference)
    if found is None:
        return None
    from scipy.special import chdtrc

    statistic, degrees = found
    return float(chdtrc(degrees, statistic))


MOST = 0.9
"""The largest p-value of ``largest_share_p_value``."""


def largest_share_p_value(
    current: Floats, reference: Floats, rows: float, reference_rows: float
) -> float | None:
    """Chance, without drift, of a share of any one bin as different; Bonferroni's, normal approximation.

    ``current`` and ``reference``: counts over the same bins, shape (bins,), whose shares rest on ``rows`` and
    ``reference_rows`` independent rows. None where either side is empty or fewer than two bins have a share.
    """
    if not current.sum() or not reference.sum() or not rows:
        return None
    now, then = current / current.sum(), reference / reference.sum()
    pooled = (rows * now + reference_rows * then) / (rows + reference_rows)
    possible = (pooled > 0) & (pooled < 1)
    if not possible.any():
        return None
    variance = (pooled * (1 - pooled))[possible] * (1 / rows + 1 / reference_rows)
    deviate = float(np.max(np.abs(now - then)[possible] / np.sqrt(variance)))
    # Never 1, which a Cauchy combination would take for proof that nothing has changed.
    return min(MOST, int(possible.sum()) * math.erfc(deviate / math.sqrt(2)))


def cramers_v(current: Floats, reference: Floats) -> float | None:
    """sqrt(chi-squared / rows): 0 for equal distributions, 1 for disjoint ones; Cramér (1946).

    With two samples the smaller dimension of the table is 2, so nothing else divides. None where
    ``chi_squared`` is.
    """
    found = chi_squared(current, reference)
    return None if found is None else float(np.sqrt(found[0] / (current.sum() + reference.sum())))


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

    level = count_noise(rows, reference, contribution, share)
    return None if level is None else min(1.0, float(np.sqrt(level)))


def new_category_ratio(current: Floats, reference: Floats) -> float | None:
    """Share of the current values in categories that the reference has not seen. Exact. None where there are none."""
    return ratio(current[reference == 0].sum(), current.sum())
