"""Wilcoxon's rank-sum test of binned samples."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Floats


def rank_sum_p_value(current: Floats, reference: Floats) -> float | None:
    """Chance, without drift, of ranks this far apart; two-sided, ties corrected, normal approximation.

    ``current`` and ``reference``: counts over the same ordered bins, shape (bins,); values of one bin are ties.
    Source: Mann and Whitney (1947). None where either side is empty or all values share one bin.
    """
    from scipy.special import erfc

    rows, reference_rows = current.sum(), reference.sum()
    together = current + reference
    total = rows + reference_rows
    ties = np.sum(together**3 - together) / (total * (total - 1)) if total > 1 else 0.0
    variance = rows * reference_rows / 12 * (total + 1 - ties)
    if not rows or not reference_rows or variance <= 0:
        return None
    ranks = np.cumsum(together) - together + (together + 1) / 2
    statistic = current @ ranks - rows * (rows + 1) / 2
    return float(erfc(abs(statistic - rows * reference_rows / 2) / np.sqrt(2 * variance)))
