"""Tests of the alerts about sinks."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import MODEL, SINK_BEHIND, SINK_DOWN, SINKS_SLO, SLO
from rulegen.promql.expressions import selector
from rulegen.slo.companions import Companion
from rulegen.slo.companions.sinks import LABELS_SINK, LAG, LAG_RECORD, PREDICTIONS_SINK, SINK
from rulegen.slo.plan import Plan
from rulegen.unittests.alertstate import evaluations
from rulegen.unittests.companions import pods
from rulegen.unittests.companions.told import Told, proof
from rulegen.unittests.timeline import GONE, Sample, at, expanded

_UP, _DOWN, _NAN = Decimal(1), Decimal(0), Decimal("NaN")
# Bytes: usual, once more, and by how little it grows.
_LAG, _LARGER, _LITTLE = Decimal(5000), Decimal(7000), Decimal(1)


def down(plan: Plan, companion: Companion, sink: str, interval: Duration) -> dict[str, Any]:
    """Unreadable in one pod of two, nearly for long enough; again, with a gap; then in both; NaN, gone for good."""
    wait = evaluations(companion.demand.after, interval)
    short = [(_UP, 2), (_DOWN, wait), (_UP, 1)]
    gap: list[tuple[Sample, int]] = [(_DOWN, wait), (GONE, 1)]
    incident = expanded([*short, *gap, (_DOWN, wait + 3)])
    both = len(incident) - 1
    bad = [*incident, *expanded([(_UP, 1), (_DOWN, 1), (_NAN, 1), (_DOWN, 1), (GONE, 2)])]
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
    """The lag of one pod grows for long enough after it was once larger, with a gap and NaN in all pods, and falls.

    Then that of another sink grows, and is gone for good.
    """
    span = max(evaluations(companion.demand.after, interval), 2)
    grown = _grown(span + 4)
    lags: list[Sample] = [_LAG, _LAG, _LARGER, *[_LAG] * (span - 1)]
    lags += [*grown[:-2], GONE, grown[-2], _NAN, grown[-1], *[_LAG] * 5]
    labels: list[Sample] = [*[_LAG] * (len(lags) - span - 3), *[_LAG + _LITTLE] * span, GONE, GONE, GONE]
    little = [lag if lag is None or lag.is_nan() else _LITTLE for lag in lags]
    given = [
        pods.series(plan, LAG, "1", lags, {SINK: PREDICTIONS_SINK}),
        pods.series(plan, LAG, "2", little, {SINK: PREDICTIONS_SINK}),
        pods.series(plan, LAG, "2", labels, {SINK: LABELS_SINK}),
    ]
    given.append(pods.of_another(given[0], [_LARGER * 2] * len(lags)))
    told = []
    for sink, own in ((PREDICTIONS_SINK, lags), (LABELS_SINK, labels)):
        least, most = zip(*(_extremes(own, span, now) for now in range(len(lags))), strict=True)
        held = [low > high for low, high in zip(least, most, strict=True)]
        told.append(Told(companion.rule, held, [float(low) for low in least], {SINK: sink}))
    name = f"{SINK_BEHIND}: fires once the lag of one pod has grown for {companion.demand.after}"
    # What is recorded is of this model, of each sink one.
    sinks = {"labels": selector("", {MODEL: plan.file.model}), "value": 2}
    recorded = f"count by ({MODEL}) ({selector(LAG_RECORD, {SLO: SINKS_SLO})})"
    asked = {"expr": recorded, "eval_time": at(0, interval), "exp_samples": [sinks]}
    return {**proof(name, interval, given, told, SINK_BEHIND), "promql_expr_test": [asked]}


def _grown(count: int) -> list[Sample]:
    return [_LAG + _LITTLE * (1 + index) for index in range(count)]


def _extremes(lags: Sequence[Sample], span: int, now: int) -> tuple[Decimal, Decimal]:
    """The smallest lag of the last ``span`` evaluations and the largest of as many before; by default 0 and more."""
    known = [None if lag is None or lag.is_nan() else lag for lag in lags[: now + 1]]
    recent = [lag for lag in known[max(now - span + 1, 0) :] if lag is not None]
    before = [lag for lag in known[max(now - 2 * span + 1, 0) : max(now - span + 1, 0)] if lag is not None]
    return min(recent, default=Decimal(0)), max(before, default=_LARGER)
