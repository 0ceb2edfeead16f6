"""Van der Waerden's normal-scores test of binned samples."""

from __future__ import annotations

import math

import numpy as np

from exporter.summary.base import Floats


def normal_scores_p_value(current: Floats, reference: Floats) -> float | None:
    """Chance, without drift, of samples this far apart; two-sided, ties at their middle rank, normal approximation.

    ``current`` and ``reference``: counts over the same ordered bins, shape (bins,); values of one bin are ties.
    Ranks become quantiles of the normal distribution: as a test of location never less efficient than Student's t,
    whatever the distribution (Chernoff and Savage, 1958), and no value can outweigh the others. Source: van der
    Waerden (1952). None where either side is empty or all values share one bin.
    """
    rows, reference_rows = current.sum(), reference.sum()
    together = current + reference
    total = rows + reference_rows
    if not rows or not reference_rows or np.count_nonzero(together) < 2:
        return None
    from scipy.special import ndtri

    ranks = np.cumsum(together) - (together - 1) / 2
    scores = ndtri(ranks / (total + 1))
    scores -= together @ scores / total
    variance = rows * reference_rows / (total * (total - 1)) * (together @ scores**2)
    return math.erfc(abs(float(current @ scores)) / math.sqrt(2 * float(variance)))
