"""Tests of the records that alerts over long windows rest on: means of the past, and event ratios.

They are apart from the tests of the alerts because they need days of samples: here rules are
evaluated seldom, and the records that an alert test is given are made from what is scraped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.conditions import History
from rulegen.output import block_yaml
from rulegen.output.madefiles import Made
from rulegen.output.opentext import OpenText
from rulegen.promql.replicas import WEIGHTED
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.query_series import QuerySeries
from rulegen.slo.alerts import GaugeAlert
from rulegen.slo.alike import OfModel
from rulegen.slo.plan import PLANS_KEPT, Plan, SloPlan
from rulegen.spec.notes import Note
from rulegen.unittests import eventratios, pasts, queries, weights
from rulegen.unittests.timeline import test_file_start

_STEPS = (60, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400)
_MOST_EVALUATIONS = 80


def of_plan(model: OfModel, interval: Duration, rules: str, mark: str, notes: list[Note]) -> Made | None:
    """The text of the test file, which starts with ``mark``; or None where there is no such record."""
    plan = model.plan
    step = _step(max(map(_longest, plan.slos)), interval)
    parts: list[OpenText] = []
    for index, slo in enumerate(plan.slos):
        make = partial(_of_measured, index, interval, step, model.opened)
        text, missed = model.part("record tests", (model.measured(index), step), make, whole=False)
        parts.append(text)
        if _histories(slo) and slo.can_be_given:
            of_past = partial(_of_past, index, step, model.opened)
            key = (model.slis[index], _pasts_known_by(slo), step)
            text, too_long = model.part("past tests", key, of_past, whole=False)
            parts.append(text)
            for position, said in too_long:
                at = ("spec", "slos", index, "alerts", position, "when")
                notes.append(Note("not-tested", model.file.document, at, said))
        if missed is not None:
            notes.append(Note("not-tested", model.file.document, ("spec", "slos", index, "sli"), missed))
    if not any(parts):
        return None
    return partial(model.yaml, mark + test_file_start(rules, step, True), parts)


@lru_cache(PLANS_KEPT)
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


@lru_cache(PLANS_KEPT)
def _histories(slo: SloPlan) -> list[tuple[int, GaugeAlert, History]]:
    """Every record of the past, with the place of its alert, and that."""
    return [
        (position, alert, history)
        for position, alert in enumerate(slo.gauge_alerts)
        for history in alert.kind.histories()
    ]


@lru_cache(PLANS_KEPT)
def _pasts_known_by(slo: SloPlan) -> str:
    """All that the tests of its records of the past follow from, beside the SLI: not how far off a gauge may be."""
    series = slo.series
    return repr((series and series.aggregation, [(position, past) for position, _, past in _histories(slo)]))


def _too_long(slo: SloPlan) -> list[tuple[int, str]]:
    """Records of the past that no test can load, by the place of the first alert that has them."""
    found: dict[str, int] = {}
    for position, alert, history in _histories(slo):
        if not pasts.can_be_loaded(alert.series, history):
            found.setdefault(history.record.name, position)
    said = "rests on more evaluations than promtool loads, and is not tested"
    return [(position, f"its {name} {said}") for name, position in found.items()]


def _of_past(
    index: int, step: Duration, opened: Callable[[str], OpenText], plan: Plan
) -> tuple[OpenText, list[tuple[int, str]]]:
    """The tests of an SLO's records of the past, and what could not be tested."""
    slo = plan.slos[index]
    found = [test for series, history in _pasts(slo) for test in pasts.tests(series, history, step)]
    return opened(block_yaml.items(found)), _too_long(slo)


def _of_measured(
    index: int, interval: Duration, step: Duration, opened: Callable[[str], OpenText], plan: Plan
) -> tuple[OpenText, str | None]:
    """The tests of the records of what one SLO measures, and what could not be tested."""
    slo = plan.slos[index]
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
    return opened(block_yaml.items(found)), missed


def _step(longest: float, interval: Duration) -> Duration:
    """How often rules are evaluated: a whole number of intervals, at most 80 times."""
    least = max(longest / _MOST_EVALUATIONS, interval.seconds)
    steps = [interval.seconds, *(step for step in _STEPS if step % interval.seconds == 0)]
    fitting = [step for step in sorted(steps) if step >= least]
    seconds = fitting[0] if fitting else interval.seconds * math.ceil(least / interval.seconds)
    return Duration.of_seconds(seconds)
