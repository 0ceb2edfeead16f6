"""Tests of the alerts that a model's monitor has stopped, or is gone."""

from __future__ import annotations

import math
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import MONITOR_ABSENT, MONITOR_STALE
from rulegen.slo.companions import Companion
from rulegen.slo.plan import Plan
from rulegen.unittests.alertstate import evaluations
from rulegen.unittests.companions import pods
from rulegen.unittests.companions.told import Told, proof


def stale(plan: Plan, companions: list[Companion], interval: Duration) -> dict[str, Any]:
    """Cycles of one pod of two are as late as they may be, later; the pod is gone, comes back, works again.

    At last it is late again, and gone for good.
    """
    late: list[float | None] = [0.0]
    for one in sorted(companions, key=lambda one: one.demand.after.seconds):
        late += [one.demand.after.seconds, one.demand.after.seconds + 1]
    late += [None, late[-1], math.nan, late[-1], 0.0, late[-1], None]
    hung = pods.writer(plan, "1", interval, late)
    given = [hung, pods.writer(plan, "2", interval, [0.0] * len(late))]
    # Another model's monitor stopped long ago.
    given.append(pods.of_another(hung, pods.times(interval, [10.0 * _longest(companions)] * len(late))))
    told = [
        Told(
            one.rule,
            [pods.older(age, one.demand.after.seconds) for age in late],
            [age or 0.0 for age in late],
        )
        for one in companions
    ]
    name = f"{MONITOR_STALE}: fires once a cycle has not succeeded for {_or(companions)}"
    return proof(name, interval, given, told, MONITOR_STALE)


def absent(plan: Plan, companions: list[Companion], interval: Duration) -> dict[str, Any]:
    """The only pod is gone, is there once, is gone for so long, and is there; then it is gone, and NaN.

    That of another model is there.
    """
    wait = max(evaluations(one.demand.after, interval) for one in companions)
    long: list[float | None] = [None] * (wait + 1)
    late = [0.0, 0.0, None, 0.0, *long, 0.0, None, math.nan, 0.0]
    writer = pods.writer(plan, "1", interval, late)
    given = [writer, pods.of_another(writer, pods.times(interval, [0.0] * len(late)))]
    told = [Told(one.rule, [age is None for age in late]) for one in companions]
    name = f"{MONITOR_ABSENT}: fires {_or(companions)} after the monitor was last heard of"
    return proof(name, interval, given, told, MONITOR_ABSENT)


def _longest(companions: list[Companion]) -> float:
    return max(one.demand.after.seconds for one in companions)


def _or(companions: list[Companion]) -> str:
    return " or ".join(str(one.demand.after) for one in companions)
