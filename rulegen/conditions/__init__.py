"""Conditions on gauges: one kind a file, as a spec writes it and lowered to PromQL; registered in `condition.py`."""

from rulegen.conditions.condition import CONDITIONS, Condition, Location
from rulegen.conditions.kind import History, Kind, World
from rulegen.conditions.threshold import Limit

__all__ = ["CONDITIONS", "Condition", "History", "Kind", "Limit", "Location", "World"]
