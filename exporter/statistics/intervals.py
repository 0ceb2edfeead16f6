"""Intervals of shares: how far a share of few rows may be from the truth."""

from __future__ import annotations

import math

_Z = 1.959963984540054  # 95 %


def wilson_interval(successes: float, rows: float) -> tuple[float, float] | None:
    """Return the 95 % score interval of ``successes / rows``; Wilson (1927). None without rows.

    It lies within 0 to 1 also for shares of 0 and 1, and of few rows.
    """
    if rows <= 0:
        return None
    share = successes / rows
    square = _Z * _Z / rows
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / rows + square / (4 * rows))
    return max(0.0, middle - half), min(1.0, middle + half)
