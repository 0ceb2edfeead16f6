"""Tests of the alert that a reference is old."""

from __future__ import annotations

import math
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import REFERENCE_OLD
from rulegen.slo.companions import Companion
from rulegen.slo.companions.references import CREATED, REFERENCE
from rulegen.slo.plan import Plan
from rulegen.unittests.companions import pods
from rulegen.unittests.companions.told import Told, proof
from rulegen.unittests.timeline import InputSeries

_ANCIENT = 10.0


def old(plan: Plan, companion: Companion, interval: Duration) -> dict[str, Any]:
    """One of two pods: as old as may be, older, gone, older, NaN, older, new again; older, gone for good.

    A retired version is always older.
    """
    limit = companion.demand.after.seconds
    old = limit + 1
    ages: list[float | None] = [0.0, limit, old, None, old, math.nan, old, 0.0, old, None]
    fresh: list[float | None] = [0.0] * len(ages)
    retired = [limit * _ANCIENT if pods.is_known(age) else None for age in ages]

    def reference(pod: str, version: str, name: str, ages: list[float | None]) -> InputSeries:
        samples = pods.times(interval, ages)
        return pods.series(plan, CREATED, pod, samples, {"version": version, REFERENCE: name})

    given = [
        reference("1", "2", "training", ages),
        reference("1", "1", "training", retired),
        reference("2", "2", "training", fresh),
        reference("2", "2", "recent", fresh),
    ]
    given.append(pods.of_another(given[0], pods.times(interval, [limit * _ANCIENT] * len(ages))))
    held = [pods.older(age, limit) for age in ages]
    values = [age or 0.0 for age in ages]
    told = [Told(companion.rule, held, values, {REFERENCE: "training"})]
    name = f"{REFERENCE_OLD}: fires where the data of one pod's reference are older than {companion.demand.after}"
    return proof(name, interval, given, told, REFERENCE_OLD)
