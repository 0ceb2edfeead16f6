"""Hellinger distance."""

from __future__ import annotations

import numpy as np

from exporter.statistics.noise import count_noise
from exporter.summary.base import Floats


def hellinger_distance(current: Floats, reference: Floats) -> float | None:
    """sqrt(1 - sum(sqrt(p * q))): 0 for equal distributions, 1 for disjoint ones.

    ``current`` and ``reference``: counts over the same bins, shape (bins,). Exact on the bins.
    Source: Hellinger (1909). None where either side is empty.
    """
    if not current.sum() or not reference.sum():
        return None
    overlap = np.sqrt((current / current.sum()) * (reference / reference.sum())).sum()
    return float(np.sqrt(max(0.0, 1.0 - overlap)))


def hellinger_noise(rows: float, reference: Floats) -> float | None:
    """Noise level of ``hellinger_distance``; as ``psi_noise``, with the square root of chi-squared / 8."""

    def contribution(p: Floats, q: Floats) -> Floats:
        terms: Floats = (np.sqrt(p) - np.sqrt(q)) ** 2 / 2
        return terms

    level = count_noise(rows, reference, contribution, 1 / 8)
    return None if level is None else min(1.0, float(np.sqrt(level)))
