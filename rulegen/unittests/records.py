"""Tests of the records that alerts over long windows rest on: means of the past, and event ratios.

They are apart from the tests of the alerts because they need days of samples: here rules are
evaluated seldom, and the records that an alert test is given are made from what is scraped.
"""

from __future__ import annotations

import math
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.conditions import History
from rulegen.promql.replicas import WEIGHTED
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.query_series import QuerySeries
from rulegen.slo.alerts import GaugeAlert
from rulegen.slo.plan import Plan, SloPlan
from rulegen.spec.notes import Note
from rulegen.unittests import eventratios, pasts, queries, weights
from rulegen.unittests.timeline import test_file

_STEPS = (60, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400)
_MOST_EVALUATIONS = 80


def has_any(plan: Plan) -> bool:
    """Whether there is a record to test."""
    return any(
        slo.budget is not None
        or isinstance(slo.series, QuerySeries)
        or (slo.series is not None and slo.series.aggregation == WEIGHTED)
        or _pasts(slo)
        for slo in plan.slos
        if slo.can_be_given
    )


def of_plan(plan: Plan, interval: Duration, rules: str, notes: list[Note]) -> dict[str, Any] | None:
    """The test file of the records, or None where there is no such record."""
    step = _step(max(map(_longest, plan.slos)), interval)
    found: list[dict[str, Any]] = []
    for index, slo in enumerate(plan.slos):
        own, missed = _of_measured(slo, interval, step)
        found += own
        if slo.can_be_given:
            for series, history in _pasts(slo):
                found += pasts.tests(series, history, step)
            for position, said in _too_long(slo):
                at = ("spec", "slos", index, "alerts", position, "when")
                notes.append(Note("not-tested", plan.file.document, at, said))
        if missed is not None:
            notes.append(Note("not-tested", plan.file.document, ("spec", "slos", index, "sli"), missed))
    return test_file(rules, step, found) if has_any(plan) else None


def _longest(slo: SloPlan) -> float:
    """How far back the records of an SLO look."""
    budget = 1.3 * slo.budget.time_window.seconds if slo.budget is not None else 0.0
    return max([budget, *(pasts.length(series, history) for series, history in _pasts(slo))])


def _pasts(slo: SloPlan) -> list[tuple[GaugeSeries, History]]:
    found = {
        history.record.name: (alert.series, history)
        for _, alert, history in _histories(slo)
        if pasts.can_be_loaded(alert.series, history)
    }
    return list(found.values())


def _histories(slo: SloPlan) -> list[tuple[int, GaugeAlert, History]]:
    """Every record of the past, with the place of its alert, and that."""
    return [
        (position, alert, history)
        for position, alert in enumerate(slo.gauge_alerts)
        for history in alert.kind.histories()
    ]


def _too_long(slo: SloPlan) -> list[tuple[int, str]]:
    """Records of the past that no test can load, by the place of the first alert that has them."""
    found: dict[str, int] = {}
    for position, alert, history in _histories(slo):
        if not pasts.can_be_loaded(alert.series, history):
            found.setdefault(history.record.name, position)
    said = "rests on more evaluations than promtool loads, and is not tested"
    return [(position, f"its {name} {said}") for name, position in found.items()]


def _of_measured(slo: SloPlan, interval: Duration, step: Duration) -> tuple[list[dict[str, Any]], str | None]:
    """The tests of the records of what one SLO measures, and what could not be tested."""
    found: list[dict[str, Any]] = []
    missed = None
    if slo.series is not None and slo.series.aggregation == WEIGHTED:
        found.append(weights.test(slo.series, step))
    if isinstance(slo.series, QuerySeries):
        test = queries.test(slo.series, interval, step)
        found += [test] if test else []
        if not test and slo.can_be_given:
            missed = "what the query gives is not foreseen, its record is not tested"
    if slo.budget is not None and slo.can_be_given:
        own = eventratios.tests(slo.budget, step)
        if own is None:
            missed = (
                "what these expressions select is not understood, the records made from them are not tested"
            )
        found += own or []
    return found, missed


def _step(longest: float, interval: Duration) -> Duration:
    """How often rules are evaluated: a whole number of intervals, at most 80 times."""
    least = max(longest / _MOST_EVALUATIONS, interval.seconds)
    steps = [interval.seconds, *(step for step in _STEPS if step % interval.seconds == 0)]
    fitting = [step for step in sorted(steps) if step >= least]
    seconds = fitting[0] if fitting else interval.seconds * math.ceil(least / interval.seconds)
    return Duration.of_seconds(seconds)
