"""Kolmogorov's distribution: the limit of the largest distance between two empirical distribution functions."""

from __future__ import annotations

import math
from functools import cache

_TERMS = 8
# Below it the one series needs fewer terms, above it the other.
_MIDDLE = 1.0


def kolmogorov_tail(value: float) -> float:
    """The chance that a variable of Kolmogorov's distribution exceeds ``value``, within 1e-14. Kolmogorov (1933)."""
    if value <= 0:
        return 1.0
    if value < _MIDDLE:
        scale = math.pi**2 / (8 * value**2)
        below = sum(math.exp(-((2 * term - 1) ** 2) * scale) for term in range(1, _TERMS))
        return 1.0 - math.sqrt(2 * math.pi) / value * below
    signs = (1.0, -1.0) * (_TERMS // 2)
    return 2 * sum(sign * math.exp(-2 * (term * value) ** 2) for term, sign in enumerate(signs, 1))


@cache
def kolmogorov_point(chance: float) -> float:
    """The value that is exceeded with ``chance``, which is above 0 and below 1; within 1e-12."""
    low, high = 0.0, 40.0
    while high - low > 1e-13:
        middle = (low + high) / 2
        low, high = (middle, high) if kolmogorov_tail(middle) > chance else (low, middle)
    return high
