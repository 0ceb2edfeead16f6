"""Hellinger distance."""

from __future__ import annotations

import numpy as np

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
