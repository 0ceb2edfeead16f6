"""Conditions on gauges, one kind a file, each lowered to PromQL."""

from __future__ import annotations

from rulegen.conditions.adaptive import Unusual
from rulegen.conditions.change import Change
from rulegen.conditions.combined import Combined
from rulegen.conditions.drop import Drop
from rulegen.conditions.forecast import Trend
from rulegen.conditions.kind import Edge, History, Kind, World
from rulegen.conditions.reference import Reference
from rulegen.conditions.threshold import Limit
from rulegen.sli.gauge import GaugeSeries
from rulegen.spec.model_slo import Condition


def lower(series: GaugeSeries, condition: Condition) -> Kind:
    """The one kind that ``condition`` is, on ``series``."""
    if condition.changeFrom is not None:
        return Change.of(series, condition.changeFrom)
    if condition.dropFrom is not None:
        return Drop.of(series, condition.dropFrom)
    if condition.aboveReference is not None:
        return Reference.of(series, condition.aboveReference)
    if condition.forecast is not None:
        return Trend.of(series, condition.forecast)
    if condition.adaptive is not None:
        return Unusual.of(series, condition.adaptive)
    if condition.all is not None:
        return Combined(tuple(lower(series, child) for child in condition.all), every=True)
    if condition.any is not None:
        return Combined(tuple(lower(series, child) for child in condition.any), every=False)
    return Limit.of(series, condition)


__all__ = ["Change", "Combined", "Drop", "Edge", "History", "Kind", "Limit", "Reference", "World", "lower"]
