"""Tests of the records that alerts over long windows rest on: means of the past, and event ratios.

They are apart from the tests of the alerts because they need days of samples: here rules are
evaluated seldom, and the records that an alert test is given are made from what is scraped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from exporter.yamlfile import Duration
from rulegen import yamltext
from rulegen.alike import OfModel
from rulegen.budget import Budget
from rulegen.conditions import History
from rulegen.conventions import (
    BUDGET_REMAINING_RECORD,
    BURN_RATE_RECORD,
    MODEL,
    SLO,
    errors_record,
    events_record,
)
from rulegen.gauge import GaugeSeries
from rulegen.notes import Note
from rulegen.plan import Plan, SloPlan
from rulegen.promql import exact, number, selector
from rulegen.replicas import WEIGHTED
from rulegen.sli import ERRORS, LATENCY, TOTAL, ErrorsSli, GoodSli, LatencySli, RatioSli
from rulegen.unittests import pasts, weights
from rulegen.unittests.nearly import near
from rulegen.unittests.rawseries import event_series
from rulegen.unittests.selected import Series
from rulegen.unittests.timeline import at, counter, test_file

_STEPS = (60, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400)
_MOST_EVALUATIONS = 80


def of_plan(model: OfModel, interval: Duration, rules: str, notes: list[Note]) -> str | None:
    """The text of the test file, or None where there is no such record."""
    plan = model.plan
    step = _step(max(map(_longest, plan.slos)), interval)
    parts: list[str] = []
    for index in range(len(plan.slos)):
        key = (model.measured(index), step)
        make = partial(_of_measured, index, interval, step)
        text, missed = model.part("record tests", key, make, whole=False)
        parts.append(text)
        of_past = partial(_of_past, index, step)
        parts.append(model.part("past tests", (model.slo(index), step), of_past, whole=False))
        if missed is not None:
            notes.append(Note("not-tested", plan.file.document, ("spec", "slos", index, "sli"), missed))
    tests = model.yaml("".join(parts))
    return test_file(rules, step, tests) if tests else None


def _longest(slo: SloPlan) -> float:
    """How far back the records of an SLO look."""
    budget = slo.budget.windows[-1].seconds if slo.budget is not None else 0.0
    return max([budget, *(pasts.length(series, history) for series, history in _pasts(slo))])


def _pasts(slo: SloPlan) -> list[tuple[GaugeSeries, History]]:
    found = {
        history.record.name: (alert.series, history)
        for alert in slo.gauge_alerts
        for history in alert.kind.histories()
    }
    return list(found.values())


def _of_past(index: int, step: Duration, plan: Plan) -> str:
    return yamltext.items([pasts.test(series, history, step) for series, history in _pasts(plan.slos[index])])


def _of_measured(index: int, interval: Duration, step: Duration, plan: Plan) -> tuple[str, str | None]:
    """The tests of the records of what one SLO measures, and what could not be tested."""
    slo = plan.slos[index]
    found: list[dict[str, Any]] = []
    missed = None
    if slo.series is not None and slo.series.aggregation == WEIGHTED:
        found.append(weights.test(slo.series, step))
    if slo.budget is not None:
        test = _budget_test(slo.budget, interval, step)
        if test is None:
            missed = (
                "what these expressions select is not understood, the records made from them are not tested"
            )
        else:
            found.append(test)
    return yamltext.items(found), missed


def _step(longest: float, interval: Duration) -> Duration:
    """How often rules are evaluated: a whole number of intervals, at most 80 times."""
    least = max(longest / _MOST_EVALUATIONS, interval.seconds)
    steps = [interval.seconds, *(step for step in _STEPS if step % interval.seconds == 0)]
    fitting = [step for step in sorted(steps) if step >= least]
    seconds = fitting[0] if fitting else interval.seconds * math.ceil(least / interval.seconds)
    return Duration.of_seconds(seconds)


def _up(seconds: float, step: Duration) -> int:
    """The first evaluation at ``seconds`` or later."""
    return math.ceil(seconds / step.seconds)


# Event ratios ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Story:
    """Events of each interval: steady, and the nearer to the end, the worse."""

    budget: Budget
    interval: Duration
    step: Duration

    @property
    def end(self) -> int:
        """The evaluation at which the records are looked at."""
        return _up(self.budget.windows[-1].seconds, self.step) + 1

    @property
    def count(self) -> int:
        """How many intervals there are."""
        return math.ceil(self.end * self.step.seconds / self.interval.seconds)

    @property
    def total(self) -> Decimal:
        """Events in each interval."""
        return Decimal(1000)

    def bad(self) -> list[Decimal]:
        """Bad events in each interval: each longer window adds a stretch with half as many."""
        found = [Decimal(0)] * self.count
        share = self.total / 2
        start = self.count
        for window in self.budget.windows:
            begin = max(self.count - math.ceil(window.seconds / self.interval.seconds), 0)
            found[begin:start] = [share] * (start - begin)
            start = begin
            share = (share / 2).quantize(Decimal("0.01"))
        return found

    def sums(self, values: Sequence[Decimal], window: float, evaluation: int) -> Decimal:
        """The increase over a window that ends at an evaluation."""
        last = round(evaluation * self.step.seconds / self.interval.seconds)
        first = max(last - round(window / self.interval.seconds), 0)
        return sum(values[first:last], Decimal(0))


def _budget_test(budget: Budget, interval: Duration, step: Duration) -> dict[str, Any] | None:
    scrape = Duration.of_seconds(min(interval.seconds, budget.windows[0].seconds / 4))
    story = _Story(budget, scrape, step)
    bad = story.bad()
    all_of_them = [story.total] * story.count
    if isinstance(budget.sli, GoodSli):
        return _evaluations_test(budget, interval, step)
    given = _given(budget, bad, all_of_them)
    if given is None:
        return None
    labels = {MODEL: budget.model, SLO: budget.slo}
    when = at(story.end, step)
    checks = []
    for window in budget.windows:
        errors = story.sums(bad, window.seconds, story.end)
        events = story.sums(all_of_them, window.seconds, story.end)
        per_second = events / exact(window.seconds) if budget.sli.operation == "rate" else events
        checks.append(near(budget.select(budget.ratio(window)), errors / events, labels, when))
        checks.append(near(budget.select(budget.events(window)), per_second, labels, when))
    shortest = budget.windows[0].seconds
    seen = range(1, story.end + 1)
    spent = sum((story.sums(bad, shortest, now) for now in seen), Decimal(0))
    counted = sum((story.sums(all_of_them, shortest, now) for now in seen), Decimal(0))
    checks += _summary(budget, spent / counted, labels, when, story, bad)
    return {
        "interval": str(scrape),
        "name": f"event ratios of {budget.slo}",
        "input_series": given,
        "promql_expr_test": checks,
    }


def _summary(
    budget: Budget, whole: Decimal, labels: dict[str, str], when: str, story: _Story, bad: list[Decimal]
) -> list[dict[str, Any]]:
    long = budget.pairs[0].long.seconds
    events = story.total * min(round(long / story.interval.seconds), story.count)
    burning = story.sums(bad, long, story.end) / events / budget.share
    checks = [near(budget.select(BURN_RATE_RECORD), burning, labels, when)]
    if budget.whole not in budget.windows:
        left = 1 - whole / budget.share
        checks.append(near(budget.select(budget.ratio(budget.whole)), whole, labels, when))
        checks.append(near(budget.select(BUDGET_REMAINING_RECORD), left, labels, when))
    return checks


def _given(budget: Budget, bad: list[Decimal], total: list[Decimal]) -> list[dict[str, str]] | None:
    """The counters behind an SLI, from two pods that each have half of the events."""
    sli, model = budget.sli, {MODEL: budget.model}
    good = [whole - part for whole, part in zip(total, bad, strict=True)]
    if isinstance(sli, RatioSli):
        series = event_series(sli.ratio)
        if series is None:
            return None
        rest = good if series.bad_in_total else total
        nothing = [Decimal(0)] * len(total)
        others = [_counter(other, nothing) for other in series.others]
        return [_counter(series.errors, bad), _counter(series.total, rest), *others]
    found: list[dict[str, str]] = []
    for pod in ("1", "2"):
        labels = {**model, "version": pod, "instance": f"10.0.0.{pod}:9847"}
        if isinstance(sli, ErrorsSli):
            found.append(counter(TOTAL, labels, _half(total)))
            found.append(counter(ERRORS, {**labels, "code": f"50{pod}"}, _half(bad)))
        elif isinstance(sli, LatencySli):
            found.append(counter(f"{LATENCY}_count", labels, _half(total)))
            found.append(counter(f"{LATENCY}_bucket", {**labels, "le": sli.bucket}, _half(good)))
            # The buckets beside it must not count.
            found.append(counter(f"{LATENCY}_bucket", {**labels, "le": "+Inf"}, _half(total)))
    other = {MODEL: "other", "version": "1"}
    return [*found, counter(TOTAL, other, total), counter(ERRORS, {**other, "code": "500"}, total)]


def _counter(series: Series, increments: list[Decimal]) -> dict[str, str]:
    return counter(series.name, series.labels, increments)


def _half(increments: Iterable[Decimal]) -> list[Decimal]:
    return [increment / 2 for increment in increments]


def _evaluations_test(budget: Budget, interval: Duration, step: Duration) -> dict[str, Any]:
    """A gauge's good and bad evaluations are given as they are recorded, 1 or 0 each."""
    story = _Story(budget, interval, step)
    bad = [Decimal(int(value > 0 and now % 4 == 0)) for now, value in enumerate(_stretches(story))]
    labels = {MODEL: budget.model, SLO: budget.slo}
    when = at(story.end, step)
    errors = [Decimal(0), *bad]
    checks = []
    for window in budget.windows:
        counted = _closed(errors, window, interval)
        if sum(counted):
            ratio = sum(counted, Decimal(0)) / len(counted)
            checks.append(near(budget.select(budget.ratio(window)), ratio, labels, when))
    samples = " ".join(number(value) for value in errors)
    given = [
        {"series": selector(errors_record("bool"), labels), "values": samples},
        {"series": selector(events_record("bool"), labels), "values": f"1x{len(errors) - 1}"},
    ]
    return {
        "interval": str(interval),
        "name": f"event ratios of {budget.slo}",
        "input_series": given,
        "promql_expr_test": checks,
    }


def _stretches(story: _Story) -> list[Decimal]:
    return story.bad()


def _closed(values: Sequence[Decimal], window: Duration, interval: Duration) -> Sequence[Decimal]:
    return values[-(math.floor(window.seconds / interval.seconds) + 1) :]
