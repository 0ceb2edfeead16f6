"""Tests of the alert that an SLO is not measured any more."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from exporter.yamlfile import Duration
from rulegen.companions import SloCompanion
from rulegen.conventions import NO_DATA
from rulegen.plan import Plan, SloPlan
from rulegen.promql import selector
from rulegen.unittests.alertstate import evaluations
from rulegen.unittests.companions import pods
from rulegen.unittests.companions.told import Told, proof
from rulegen.unittests.timeline import GONE, InputSeries, Sample, expanded

_BEFORE = 3
_UP, _DOWN = Decimal(1), Decimal(0)


def tests(plan: Plan, slo: SloPlan, interval: Duration) -> Iterator[dict[str, Any]]:
    """It is gone for its own reasons, and for a reason that is told."""
    companion = slo.companion
    assert companion is not None
    after = companion.demand.after
    gone = expanded([(Decimal(0), _BEFORE), (GONE, evaluations(after, interval) + 1), (Decimal(0), 2)])
    count = len(gone)
    missing = InputSeries(companion.record, plan.file.labels(slo.slo.name), gone)
    given = [missing, *_measured(plan, slo, count)]
    # All is as well as it must be: a cycle as late as it may be, labels as old, one replica with each sink.
    well = [pods.writer(plan, "1", interval, [after.seconds] * count)]
    well += _labels(plan, companion, interval, [_limit(companion)] * count)
    for name in companion.sinks:
        well += [pods.sink(plan, "1", name, [_UP] * count), pods.sink(plan, "2", name, [_DOWN] * count)]
    held = [sample is None for sample in gone]
    title = f"{NO_DATA} of {slo.slo.name}"
    fires = f"{title}: fires {after} after it was last measured"
    yield proof(fires, interval, [*given, *well], [Told(companion.rule, held)], NO_DATA)
    for cause, series in _causes(plan, companion, interval, count):
        name = f"{title}: quiet where {cause}"
        due = [
            _BEFORE,
            count - 3,
        ]  # the first evaluation without it, and when it would have lasted long enough
        yield proof(name, interval, [*given, *_instead(well, series)], [], NO_DATA, due)


def _causes(
    plan: Plan, companion: SloCompanion, interval: Duration, count: int
) -> Iterator[tuple[str, list[InputSeries]]]:
    """What is told elsewhere: why the gauge is gone, and the series that say so."""
    if companion.monitored:
        stopped = [max(now - _BEFORE + 1, 0) * interval.seconds for now in range(count)]
        hung = pods.writer(plan, "1", interval, stopped)
        yield (
            "the monitor stopped, even in one pod of two",
            [hung, pods.writer(plan, "2", interval, [0] * count)],
        )
    if companion.labels is not None:
        old = [_limit(companion) + 1] * count
        yield "no labels come", _labels(plan, companion, interval, old)
    for name in companion.sinks:
        down: list[Sample] = [_DOWN] * count
        both = [pods.sink(plan, pod, name, down) for pod in ("1", "2")]
        yield f"the sink of {name} cannot be read", both


def _instead(well: list[InputSeries], series: list[InputSeries]) -> list[InputSeries]:
    """What is well, but for what is not."""
    changed = {selector(one.name, one.labels) for one in series}
    return [*(one for one in well if selector(one.name, one.labels) not in changed), *series]


def _labels(plan: Plan, companion: SloCompanion, interval: Duration, ages: list[float]) -> list[InputSeries]:
    """Newest labels of such an age, beside a pod where they are older still."""
    if companion.labels is None:
        return []
    # As old as at the last cycle, which is late.
    late = companion.demand.after.seconds
    return [
        pods.labels(plan, "1", interval, [age + late for age in ages]),
        pods.writer(plan, "2", interval, [0] * len(ages)),
        pods.labels(plan, "2", interval, [age + 10 for age in ages]),
    ]


def _limit(companion: SloCompanion) -> float:
    return companion.labels.seconds if companion.labels else 0


def _measured(plan: Plan, slo: SloPlan, count: int) -> list[InputSeries]:
    """Every other SLO, being measured: their alerts have the same name."""
    return [
        InputSeries(other.companion.record, plan.file.labels(other.slo.name), [Decimal(0)] * count)
        for other in plan.slos
        if other is not slo and other.companion is not None
    ]
