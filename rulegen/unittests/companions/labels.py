"""Tests of the alert that labels have stopped coming."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import LABELS_STALE
from rulegen.slo.companions import Companion
from rulegen.slo.companions.sinks import LABELS_SINK, PREDICTIONS_SINK
from rulegen.slo.plan import Plan
from rulegen.unittests.companions import pods
from rulegen.unittests.companions.told import Told, proof
from rulegen.unittests.timeline import InputSeries, Sample


def stale(plan: Plan, companions: list[Companion], interval: Duration) -> dict[str, Any]:
    """Labels of one pod of two grow old, are gone for an evaluation, come again.

    Then its monitor hangs: labels as old as they may be at its last cycle are no older for that. At last they are old
    again, and gone for good.
    """
    ages: list[float | None] = [0.0]
    for one in sorted(companions, key=lambda one: one.demand.after.seconds):
        ages += [one.demand.after.seconds, one.demand.after.seconds + 1]
    old = ages[-1]
    ages += [None, old, math.nan, old, 0.0]
    limit = min(one.demand.after.seconds for one in companions)
    hung = [limit] * 3
    late = [0.0] * len(ages) + [now * interval.seconds for now in range(len(hung))] + [0.0] * 2
    told_ages = [*ages, *hung, old, None]
    count = len(told_ages)
    newest = [None if age is None else age + delay for age, delay in zip(told_ages, late, strict=True)]
    given = [
        pods.writer(plan, "1", interval, [0.0] * count),
        pods.labels(plan, "1", interval, [0.0] * count),
        pods.writer(plan, "2", interval, late),
        pods.labels(plan, "2", interval, newest),
    ]
    # Labels of another model have long stopped.
    ancient = pods.times(interval, [100.0 * max(one.demand.after.seconds for one in companions)] * count)
    given += [
        pods.of_another(given[0], pods.times(interval, [0.0] * count)),
        pods.of_another(given[1], ancient),
    ]
    told = [
        Told(
            one.rule,
            [pods.older(age, one.demand.after.seconds) for age in told_ages],
            [age or 0.0 for age in told_ages],
        )
        for one in companions
    ]
    often = " or ".join(str(one.demand.after) for one in companions)
    name = f"{LABELS_STALE}: fires where the newest label of one pod is older than {often}"
    return proof(name, interval, given, told, LABELS_STALE)


def unreadable(plan: Plan, companions: list[Companion], interval: Duration) -> dict[str, Any]:
    """Where a sink that is down is told in time, a pod that cannot read its labels is left to that.

    Another pod with old labels is not hidden by it, nor is one that cannot read its predictions.
    """
    limit = max(one.demand.after.seconds for one in companions)
    older = [limit + 600] * 4
    other = [0.0, limit + 1, limit + 1, 0.0]
    up: list[Sample] = [Decimal(1)] * 4
    down: list[Sample] = [Decimal(0)] * 4
    given: list[InputSeries] = []
    for pod, ages, labels, predictions in (("1", older, down, up), ("2", other, up, down)):
        sink = pods.sink(plan, pod, LABELS_SINK, labels)
        given += [
            pods.writer(plan, pod, interval, [0.0] * 4),
            pods.labels(plan, pod, interval, ages),
            sink,
            pods.sink(plan, pod, PREDICTIONS_SINK, predictions),
            # Another model's sink of labels is the other way round.
            pods.of_another(sink, up if labels is down else down),
        ]
    told = []
    for one in companions:
        ages = other if one.sinks else older
        told.append(Told(one.rule, [age > one.demand.after.seconds for age in ages], ages))
    name = f"{LABELS_STALE}: not about a pod that cannot read its labels, where that is told"
    return proof(name, interval, given, told, LABELS_STALE)
