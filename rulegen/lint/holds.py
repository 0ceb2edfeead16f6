"""Conditions at the values that a gauge may have: at some they can hold, at all they must.

A condition changes at its limits only: so it is asked at each of them, between them and beyond them.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

from rulegen.conditions import Condition
from rulegen.conditions.threshold import Threshold
from rulegen.sli.metric_ranges import Range


def may_hold(condition: Threshold, possible: Range) -> bool:
    """Return whether it holds at a possible value, given some history and some reference."""
    return any(_holds(condition, value, possible, compared=True) for value in _values(condition, possible))


def must_hold(condition: Threshold, possible: Range) -> bool:
    """Return whether it holds at every possible value, whatever the history and the reference are."""
    return all(_holds(condition, value, possible, compared=False) for value in _values(condition, possible))


def _holds(condition: Threshold, value: float, possible: Range, *, compared: bool) -> bool:
    """``compared``: whether comparisons hold where they may."""
    if not isinstance(condition, Condition):
        return condition.is_met(value)
    if condition.comparison is not None:
        low, high = condition.comparison.reach(possible)
        return compared and low < value < high
    parts = [_holds(child, value, possible, compared=compared) for _, child in condition.parts()]
    if parts:
        return all(parts) if condition.all else any(parts)
    return condition.is_met(value)


def _limits(condition: Threshold, possible: Range) -> Iterator[float]:
    yield from possible
    leaves = condition.leaves() if isinstance(condition, Condition) else [((), condition)]
    for _, leaf in leaves:
        compared = leaf.comparison if isinstance(leaf, Condition) else None
        yield from (compared.reach(possible) if compared else (getattr(leaf, leaf.key),))


def _values(condition: Threshold, possible: Range) -> list[float]:
    limits = sorted({limit for limit in _limits(condition, possible) if math.isfinite(limit)}) or [0.0]
    beyond = (limits[0] - abs(limits[0]) - 1, limits[-1] + abs(limits[-1]) + 1)
    between = (low / 2 + high / 2 for low, high in pairwise(limits))
    return [value for value in (*limits, *beyond, *between) if possible.low <= value <= possible.high]
