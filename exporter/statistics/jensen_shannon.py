"""Jensen-Shannon distance."""

from __future__ import annotations

import numpy as np

from exporter.statistics.noise import count_noise
from exporter.summary.base import Floats


def jensen_shannon_distance(current: Floats, reference: Floats) -> float | None:
    """Square root of the Jensen-Shannon divergence to base 2: 0 for equal distributions, 1 for disjoint ones.

    ``current`` and ``reference``: counts over the same bins, shape (bins,). Exact on the bins.
    Source: Endres and Schindelin, A new metric for probability distributions (2003).
    None where either side is empty.
    """
    if not current.sum() or not reference.sum():
        return None
    divergence = _divergence(current / current.sum(), reference / reference.sum()).sum()
    return float(np.sqrt(np.clip(divergence, 0.0, 1.0)))


def jensen_shannon_noise(rows: float, reference: Floats) -> float | None:
    """Noise level of ``jensen_shannon_distance``; as ``psi_noise``, with the square root of chi-squared / (8 ln 2)."""
    level = count_noise(rows, reference, _divergence, 1 / (8 * np.log(2)))
    return None if level is None else min(1.0, float(np.sqrt(level)))


def _divergence(p: Floats, q: Floats) -> Floats:
    """The bits that each bin adds to the divergence."""
    from scipy.special import rel_entr

    middle = (p + q) / 2
    bits: Floats = (rel_entr(p, middle) + rel_entr(q, middle)) / (2 * np.log(2))
    return bits
