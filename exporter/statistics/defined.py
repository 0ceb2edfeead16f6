"""Values that are defined: finite numbers, and quotients of what is not nothing."""

from __future__ import annotations

import math

from exporter.summary.base import Floats


def finite(value: float) -> float | None:
    """``value``, or None where it is infinite or NaN."""
    return value if math.isfinite(value) else None


def ratio(part: float | Floats, whole: float | Floats) -> float | None:
    """``part`` over ``whole``, or None where that is 0."""
    return float(part) / float(whole) if whole else None
