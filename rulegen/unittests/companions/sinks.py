"""Tests of the alerts about sinks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from exporter.yamlfile import Duration
from rulegen.companions import Companion
from rulegen.companions.sinks import LABELS_SINK, LAG, PREDICTIONS_SINK, SINK
from rulegen.conventions import SINK_BEHIND, SINK_DOWN
from rulegen.plan import Plan
from rulegen.unittests.alertstate import evaluations
from rulegen.unittests.companions import pods
from rulegen.unittests.companions.told import Told, proof
from rulegen.unittests.timeline import GONE, Sample, expanded

_UP, _DOWN = Decimal(1), Decimal(0)


def down(plan: Plan, companion: Companion, sink: str, interval: Duration) -> dict[str, Any]:
    """Unreadable in one pod of two, nearly for long enough; again, with a gap; then in both."""
    wait = evaluations(companion.demand.after, interval)
    short = [(_UP, 2), (_DOWN, wait), (_UP, 1)]
    gap: list[tuple[Sample, int]] = [(_DOWN, wait), (GONE, 1)]
    bad = expanded([*short, *gap, (_DOWN, wait + 3), (_UP, 2)])
    both = len(bad) - 3
    second: list[Sample] = [_DOWN if now == both else _UP for now in range(len(bad))]
    other = LABELS_SINK if sink == PREDICTIONS_SINK else PREDICTIONS_SINK
    given = [
        pods.sink(plan, "1", sink, bad),
        pods.sink(plan, "2", sink, second),
        pods.sink(plan, "1", other, [_UP] * len(bad)),
    ]
    given.append(pods.of_another(given[0], [_DOWN] * len(bad)))
    values = [float((one == _DOWN) + (two == _DOWN)) for one, two in zip(bad, second, strict=True)]
    told = [Told(companion.rule, [value > 0 for value in values], values, {SINK: sink})]
    name = f"{SINK_DOWN}: fires once one pod cannot read the sink of {sink} for {companion.demand.after}"
    return proof(name, interval, given, told, SINK_DOWN)


def behind(plan: Plan, companion: Companion, interval: Duration) -> dict[str, Any]:
    """The lag of one pod grows for long enough after it was once larger, and falls."""
    span = max(evaluations(companion.demand.after, interval), 2)
    lags = [5, 5, 7, *[5] * (span - 1), *range(6, 6 + span + 4), 5, 5]
    growing: list[Sample] = [Decimal(lag) for lag in lags]
    given = [
        pods.series(plan, LAG, "1", growing, {SINK: PREDICTIONS_SINK}),
        pods.series(plan, LAG, "2", [Decimal(1)] * len(lags), {SINK: PREDICTIONS_SINK}),
        pods.series(plan, LAG, "2", [Decimal(7)] * len(lags), {SINK: LABELS_SINK}),
    ]
    given.append(pods.of_another(given[0], [Decimal(1000)] * len(lags)))
    held, values = [], []
    for now in range(len(lags)):
        recent, before = (
            lags[max(now - span + 1, 0) : now + 1],
            lags[max(now - 2 * span + 1, 0) : now - span + 1],
        )
        held.append(now >= span and bool(before) and min(recent) > max(before))
        values.append(float(min(recent)))
    told = [Told(companion.rule, held, values, {SINK: PREDICTIONS_SINK})]
    name = f"{SINK_BEHIND}: fires once the lag of one pod has grown for {companion.demand.after}"
    return proof(name, interval, given, told, SINK_BEHIND)
