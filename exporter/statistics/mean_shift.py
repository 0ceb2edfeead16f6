"""Shift of the mean."""

from __future__ import annotations

import numpy as np

from exporter.statistics.noise import EXCEEDED
from exporter.summary.base import finite
from exporter.summary.numeric import NumericSummary


def mean_shift(current: NumericSummary, reference: NumericSummary, deviation: float) -> float | None:
    """|mean - reference mean| in reference standard deviations. Exact.

    None where either side is empty, the reference is constant, or sums of values are too large to be numbers.
    """
    if not current.present or not reference.present or not deviation or not np.isfinite(deviation):
        return None
    return finite(abs(current.mean - reference.mean) / deviation)


def mean_shift_noise(rows: float, reference_rows: float, deviation: float) -> float | None:
    """Noise level of ``mean_shift``: 2.58 sqrt(1/n + 1/N), the normal limit.

    Simulated, 200 to 10,000 rows against 1,000 to 20,000: 0.5 to 1.7 % of windows exceed it, up to 2.3 % of lognormal
    values; the heavier the tails, the more rows it takes. None where either side is empty or the reference is constant.
    """
    if not rows or not reference_rows or not deviation or not np.isfinite(deviation):
        return None
    from scipy.special import ndtri

    return float(ndtri(1 - EXCEEDED / 2) * np.sqrt(1 / rows + 1 / reference_rows))
