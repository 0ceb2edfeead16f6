"""Jensen-Shannon distance."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Floats


def jensen_shannon_distance(current: Floats, reference: Floats) -> float | None:
    """Square root of the Jensen-Shannon divergence to base 2: 0 for equal distributions, 1 for disjoint ones.

    ``current`` and ``reference``: counts over the same bins, shape (bins,). Exact on the bins.
    Source: Endres and Schindelin, A new metric for probability distributions (2003).
    None where either side is empty.
    """
    if not current.sum() or not reference.sum():
        return None
    p, q = current / current.sum(), reference / reference.sum()
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return float(np.sqrt(np.clip(divergence, 0.0, 1.0)))


def _relative_entropy(p: Floats, q: Floats) -> float:
    """In bits; q is positive wherever p is."""
    occupied = p > 0
    return float(np.sum(p[occupied] * np.log2(p[occupied] / q[occupied])))
