"""Where a condition may hold, and where it must, whatever the gauge's past and its reference are."""

from __future__ import annotations

import math
from collections.abc import Callable

from rulegen.sli.intervals import ALL, NONE, Values
from rulegen.spec.model_slo import Condition, Threshold


def limit(threshold: Threshold) -> Values | None:
    """The values beyond a limit; None where the condition is of another kind."""
    if threshold.above is not None:
        return Values.between(low=threshold.above, low_open=True)
    if threshold.atLeast is not None:
        return Values.between(low=threshold.atLeast)
    if threshold.below is not None:
        return Values.between(high=threshold.below, high_open=True)
    if threshold.atMost is not None:
        return Values.between(high=threshold.atMost)
    return None


def may_hold(condition: Condition, possible: Values) -> Values:
    """The values out of ``possible`` at which the condition can hold: empty where it can never."""
    return _where(condition, possible, lambda compared: possible & _compared(compared, possible))


def must_hold(condition: Condition, possible: Values) -> Values:
    """The values out of ``possible`` at which the condition holds for certain."""
    return _where(condition, possible, lambda _: NONE)


def _where(condition: Condition, possible: Values, compared: Callable[[Condition], Values]) -> Values:
    """Limits as they are, ``all`` and ``any`` of their parts; of other kinds what ``compared`` says."""
    if (values := limit(condition)) is not None:
        return possible & values
    if condition.all:
        met = possible
        for child in condition.all:
            met &= _where(child, possible, compared)
        return met
    if condition.any:
        either = NONE
        for child in condition.any:
            either |= _where(child, possible, compared)
        return either
    return compared(condition)


def _compared(condition: Condition, possible: Values) -> Values:
    """Where a comparison with the past or with the reference can hold, these being possible values too."""
    if not possible:
        return NONE
    low, high = possible.parts[0][0].value, possible.parts[-1][1].value
    if condition.aboveReference is not None:
        return Values.between(low=condition.aboveReference.floor, low_open=True)
    if condition.dropFrom is not None and condition.dropFrom.by is not None:
        return Values.between(high=high - condition.dropFrom.by, high_open=True)
    if condition.dropFrom is not None and condition.dropFrom.byRatio is not None and low >= 0:
        return Values.between(high=high * (1 - condition.dropFrom.byRatio), high_open=True)
    if condition.forecast is not None:
        # A trend may lead beyond what the gauge can be; the gauge itself never gets there.
        above, below = condition.forecast.above, condition.forecast.below
        beyond = Values.between(low=-math.inf if above is None else above, low_open=above is not None)
        beyond &= Values.between(high=math.inf if below is None else below, high_open=below is not None)
        return ALL if beyond & possible else NONE
    change = condition.changeFrom
    if change is not None and change.by is not None and math.isfinite(high - low) and change.by >= high - low:
        return NONE
    return ALL
