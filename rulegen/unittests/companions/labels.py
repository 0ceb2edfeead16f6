"""Tests of the alert that labels have stopped coming."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from exporter.yamlfile import Duration
from rulegen.companions import Companion
from rulegen.companions.sinks import LABELS_SINK
from rulegen.conventions import LABELS_STALE
from rulegen.plan import Plan
from rulegen.unittests.companions import pods
from rulegen.unittests.companions.told import Told, proof
from rulegen.unittests.timeline import InputSeries, Sample


def stale(plan: Plan, companions: list[Companion], interval: Duration) -> dict[str, Any]:
    """Labels of one pod of two grow old, are gone for an evaluation, come again.

    Then its monitor hangs: labels as old as they may be at its last cycle are no older for that.
    """
    ages: list[float | None] = [0.0]
    for one in sorted(companions, key=lambda one: one.demand.after.seconds):
        ages += [one.demand.after.seconds, one.demand.after.seconds + 1]
    ages += [None, ages[-1], 0.0]
    limit = min(one.demand.after.seconds for one in companions)
    hung = [limit] * 3
    late = [0.0] * len(ages) + [now * interval.seconds for now in range(len(hung))]
    told_ages = [*ages, *hung]
    count = len(told_ages)
    newest = [None if age is None else age + delay for age, delay in zip(told_ages, late, strict=True)]
    given = [
        pods.writer(plan, "1", interval, [0.0] * count),
        pods.labels(plan, "1", interval, [0.0] * count),
        pods.writer(plan, "2", interval, late),
        pods.labels(plan, "2", interval, newest),
    ]
    told = [
        Told(
            one.rule,
            [age is not None and age > one.demand.after.seconds for age in told_ages],
            [age or 0.0 for age in told_ages],
        )
        for one in companions
    ]
    often = " or ".join(str(one.demand.after) for one in companions)
    name = f"{LABELS_STALE}: fires where the newest label of one pod is older than {often}"
    return proof(name, interval, given, told, LABELS_STALE)


def unreadable(plan: Plan, companions: list[Companion], interval: Duration) -> dict[str, Any]:
    """A pod that cannot read its labels is told as such, another with old labels is not hidden by it."""
    limit = max(one.demand.after.seconds for one in companions)
    older: list[float | None] = [limit + 600] * 4
    other: list[float | None] = [0.0, limit + 1, limit + 1, 0.0]
    given: list[InputSeries] = []
    for pod, ages, up in (("1", older, Decimal(0)), ("2", other, Decimal(1))):
        samples: list[Sample] = [up] * len(ages)
        given += [
            pods.writer(plan, pod, interval, [0.0] * len(ages)),
            pods.labels(plan, pod, interval, ages),
            pods.sink(plan, pod, LABELS_SINK, samples),
        ]
    values = [age or 0.0 for age in other]
    told = [Told(one.rule, [age > one.demand.after.seconds for age in values], values) for one in companions]
    name = f"{LABELS_STALE}: quiet about a pod that cannot read its labels"
    return proof(name, interval, given, told, LABELS_STALE)
