"""Tests of the alerts that a model's monitor has stopped, or is gone."""

from __future__ import annotations

from typing import Any

from exporter.yamlfile import Duration
from rulegen.companions import Companion
from rulegen.conventions import MONITOR_ABSENT, MONITOR_STALE
from rulegen.plan import Plan
from rulegen.unittests.alertstate import evaluations
from rulegen.unittests.companions import pods
from rulegen.unittests.companions.told import Told, proof

_BEFORE = 3


def stale(plan: Plan, companions: list[Companion], interval: Duration) -> dict[str, Any]:
    """Cycles stop in one of two pods."""
    wait = max(evaluations(one.demand.after, interval) for one in companions)
    count = _BEFORE + wait + 3
    ages = [max(now - _BEFORE + 1, 0) if now < count - 1 else 0 for now in range(count)]
    late = [age * interval.seconds for age in ages]
    given = [pods.writer(plan, "1", interval, late), pods.writer(plan, "2", interval, [0] * count)]
    told = [Told(one.rule, [age > one.demand.after.seconds for age in late], late) for one in companions]
    lasting = _or(companions)
    return proof(
        f"{MONITOR_STALE}: fires once a cycle has not succeeded for {lasting}",
        interval,
        given,
        told,
        MONITOR_STALE,
    )


def absent(plan: Plan, companions: list[Companion], interval: Duration) -> dict[str, Any]:
    """The only pod is gone for a while."""
    wait = max(evaluations(one.demand.after, interval) for one in companions)
    count = _BEFORE + wait + 3
    gone = [_BEFORE <= now <= _BEFORE + wait for now in range(count)]
    ages = [None if absent else 0.0 for absent in gone]
    given = [pods.writer(plan, "1", interval, ages)]
    told = [Told(one.rule, gone) for one in companions]
    name = f"{MONITOR_ABSENT}: fires {_or(companions)} after the monitor was last heard of"
    return proof(name, interval, given, told, MONITOR_ABSENT)


def _or(companions: list[Companion]) -> str:
    return " or ".join(str(one.demand.after) for one in companions)
