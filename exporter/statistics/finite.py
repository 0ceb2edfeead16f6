"""Where arithmetic left the numbers there are, a statistic is undefined."""

from __future__ import annotations

import math


def finite(value: float) -> float | None:
    """``value``, or None where it is infinite or NaN."""
    return value if math.isfinite(value) else None
