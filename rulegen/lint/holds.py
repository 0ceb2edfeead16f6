"""The values at which a condition may hold, and must, whatever the gauge's history and reference are."""

from __future__ import annotations

from collections.abc import Callable

from rulegen.conditions import Condition
from rulegen.conditions.kind import Comparison
from rulegen.sli.intervals import NONE, Values


def may_hold(condition: Condition, possible: Values) -> Values:
    """The values out of ``possible`` at which the condition can hold: empty where it can never."""
    return _where(condition, possible, lambda compared: possible & compared.may_hold(possible))


def must_hold(condition: Condition, possible: Values) -> Values:
    """The values out of ``possible`` at which the condition holds for certain."""
    return _where(condition, possible, lambda _: NONE)


def _where(condition: Condition, possible: Values, compared: Callable[[Comparison], Values]) -> Values:
    """Limits as they are, ``all`` and ``any`` of their parts; of comparisons what ``compared`` says."""
    if condition.comparison is not None:
        return compared(condition.comparison)
    if condition.values is not None:
        return possible & condition.values
    found = possible if condition.all else NONE
    for _, child in condition.parts():
        inner = _where(child, possible, compared)
        found = found & inner if condition.all else found | inner
    return found
