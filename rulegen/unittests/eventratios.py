"""Tests of the records of an error budget, from what is scraped to what is left of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from exporter.yamlfile import Duration
from rulegen.budget import Budget
from rulegen.conventions import (
    BUDGET_REMAINING_RECORD,
    BURN_RATE_RECORD,
    MODEL,
    SLO,
    errors_record,
    events_record,
)
from rulegen.promql import exact, number, selector
from rulegen.sli import ERRORS, LATENCY, TOTAL, ErrorsSli, GoodSli, LatencySli, RatioSli
from rulegen.unittests.nearly import near
from rulegen.unittests.rawseries import EventSeries, event_series
from rulegen.unittests.selected import Series
from rulegen.unittests.timeline import InputSeries, Sample, at, counter

# The older part of each window has more events, and a larger share of bad ones: a window of another length
# has another rate.
_OLDER_PART, _MORE = 0.3, Decimal("2.5")
_EVENTS = Decimal(1000)
_BAD, _MORE_BAD = Decimal("0.2"), Decimal("0.4")
# In the shortest window they differ less: with few samples in it, a rate depends on where it is cut.
_SLIGHTLY_MORE = Decimal("1.2")
_BOOL = "bool"
_MILLISECONDS = 1000


def tests(budget: Budget, interval: Duration, step: Duration) -> list[dict[str, Any]] | None:
    """Rules are evaluated every ``step``. None where it is not known what the SLI's expressions select."""
    if isinstance(budget.sli, GoodSli):
        return [_evaluations(budget, interval, step), *_whole(budget, step, None)]
    series = None
    if isinstance(budget.sli, RatioSli):
        series = event_series(budget.sli.ratio)
        if series is None:
            return None
    scrape = _scrape(budget, interval, step)
    return [_events(budget, _Story(budget, scrape, step), series), *_whole(budget, step, series)]


def _scrape(budget: Budget, interval: Duration, step: Duration) -> Duration:
    """The interval of scrapes: a part of every window, so that they hold whole ones."""
    whole = math.gcd(*(round(length.seconds * _MILLISECONDS) for length in (*budget.windows, step)))
    most = min(interval.seconds, budget.windows[0].seconds / 4) * _MILLISECONDS
    parts = next(parts for parts in range(1, whole + 1) if whole % parts == 0 and whole / parts <= most)
    return Duration.of_seconds(whole / parts / _MILLISECONDS)


@dataclass(frozen=True)
class _Story:
    """What happens in each interval until the longest window ends; at first no error."""

    budget: Budget
    interval: Duration
    step: Duration

    @property
    def end(self) -> int:
        """The evaluation at which the records are looked at."""
        return math.ceil(self.budget.windows[-1].seconds / self.step.seconds) + 2

    @property
    def count(self) -> int:
        """How many intervals there are."""
        return round(self.end * self.step.seconds / self.interval.seconds)

    @cached_property
    def edges(self) -> list[tuple[int, bool]]:
        """Where parts of windows begin, counted from the start, the latest first; whether it is an older part."""
        found = []
        before = 0.0
        for window in self.budget.windows:
            older = window.seconds - _OLDER_PART * (window.seconds - before)
            for seconds, is_older in ((older, False), (window.seconds, True)):
                found.append((max(self.count - round(seconds / self.interval.seconds), 0), is_older))
            before = window.seconds
        return found

    @property
    def first(self) -> int:
        """The interval of the first error."""
        return self.edges[-1][0]

    @cached_property
    def total(self) -> list[Decimal]:
        """Events in each interval."""
        return self._parts(_EVENTS, _EVENTS * _MORE, _EVENTS * _SLIGHTLY_MORE, _EVENTS)

    @cached_property
    def bad(self) -> list[Decimal]:
        """Bad events in each interval."""
        shares = self._parts(_BAD, _MORE_BAD, _BAD * _SLIGHTLY_MORE, Decimal(0))
        return [share * events for share, events in zip(shares, self.total, strict=True)]

    def _parts(self, newer: Decimal, older: Decimal, shortest: Decimal, before: Decimal) -> list[Decimal]:
        found = [before] * self.count
        end = self.count
        for place, (begin, is_older) in enumerate(self.edges):
            value = newer if not is_older else shortest if place == 1 else older
            found[begin:end] = [value] * (end - begin)
            end = begin
        return found

    def increase(self, values: Sequence[Decimal], window: Duration) -> Decimal:
        """The sum over a window at the end."""
        return sum(values[-round(window.seconds / self.interval.seconds) :], Decimal(0))


def _of(budget: Budget, record: str) -> str:
    """A record of the SLO, of whatever model."""
    return selector(record, {SLO: budget.slo})


def _events(budget: Budget, story: _Story, series: EventSeries | None) -> dict[str, Any]:
    labels = {MODEL: budget.model, SLO: budget.slo}
    when = at(story.end, story.step)
    checks: list[dict[str, Any]] = []
    for window in budget.windows:
        errors, events = (story.increase(values, window) for values in (story.bad, story.total))
        unit = exact(window.seconds) if budget.sli.operation == "rate" else Decimal(1)
        name = budget.errors(window)
        none = {"labels": selector(name, labels), "value": 0}
        # Nothing is counted yet; no error is counted yet.
        checks.append({"expr": _of(budget, name), "eval_time": "0s", "exp_samples": []})
        checks.append({"expr": _of(budget, name), "eval_time": at(1, story.step), "exp_samples": [none]})
        checks.append(near(_of(budget, budget.events(window)), events / unit, labels, when))
        checks.append(near(_of(budget, name), errors / unit, labels, when))
        checks.append(near(_of(budget, budget.ratio(window)), errors / events, labels, when))
    long = budget.pairs[0].long
    burning = story.increase(story.bad, long) / story.increase(story.total, long) / budget.share
    checks.append(near(_of(budget, BURN_RATE_RECORD), burning, labels, when))
    given = [*_counters(budget, story, series), *_others(budget, story.end)]
    return {
        "interval": str(story.interval),
        "name": f"event ratios of {budget.slo}",
        "input_series": given,
        "promql_expr_test": checks,
    }


def _others(budget: Budget, end: int) -> Iterator[dict[str, str]]:
    """What the rules of another SLO, and of another model, have recorded under the same names."""
    names = [budget.events(window) for window in budget.windows]
    names += [budget.ratio(window) for window in (*budget.windows, budget.whole)]
    for change in ({SLO: f"{budget.slo}-other"}, {MODEL: f"{budget.model}-other"}):
        labels = {MODEL: budget.model, SLO: budget.slo, **change}
        for name in dict.fromkeys(names):
            if MODEL in change and name in names[: len(budget.windows)]:
                continue
            yield InputSeries(name, labels, [Decimal(10**6)] * (end + 1)).as_data()


def _counters(budget: Budget, story: _Story, series: EventSeries | None) -> list[dict[str, str]]:
    """The counters behind an SLI, from two pods that have 7 and 3 of 10 events."""
    sli = budget.sli
    bad, total = story.bad, story.total
    good = [whole - part for whole, part in zip(total, bad, strict=True)]
    if series is not None:
        rest = good if series.bad_in_total else total
        nothing = [Decimal(0)] * len(total)
        others = [_counter(other, nothing) for other in series.others]
        # Where one of several terms is missing, their sum is.
        alone = not series.others and (not series.bad_in_total or series.errors.name == series.total.name)
        seven = _share(total, Decimal(7))
        errors = _late(series.errors, bad, story.first) if alone else _counter(series.errors, bad)
        return [errors, *_two(series.total, rest), *others, *(_counter(one, seven) for one in series.decoys)]
    found: list[dict[str, str]] = []
    for pod, part in (("1", Decimal("0.7")), ("2", Decimal("0.3"))):
        labels = {MODEL: budget.model, "version": pod, "instance": f"10.0.0.{pod}:9847"}
        if isinstance(sli, ErrorsSli):
            found.append(counter(TOTAL, labels, _share(total, part)))
            own = Series(ERRORS, {**labels, "code": f"50{pod}"})
            found.append(_late(own, _share(bad, part), story.first))
        elif isinstance(sli, LatencySli):
            # Before the first slow one, more were fast than there were: counters are not read at one moment.
            fast = [one + (now < story.first) for now, one in enumerate(_share(good, part))]
            found.append(counter(f"{LATENCY}_count", labels, _share(total, part)))
            found.append(counter(f"{LATENCY}_bucket", {**labels, "le": sli.bucket}, fast))
            # The buckets beside it must not count.
            found.append(counter(f"{LATENCY}_bucket", {**labels, "le": "+Inf"}, _share(total, part)))
    other = {MODEL: f"{budget.model}-other", "version": "1"}
    if isinstance(sli, LatencySli):
        found.append(counter(f"{LATENCY}_count", other, total))
        return [*found, counter(f"{LATENCY}_bucket", {**other, "le": sli.bucket}, good)]
    return [*found, counter(TOTAL, other, total), counter(ERRORS, {**other, "code": "500"}, total)]


def _two(series: Series, increments: list[Decimal]) -> list[dict[str, str]]:
    """Two series that together are one, if there may be two."""
    if "instance" in series.labels:
        return [_counter(series, increments)]
    parts = (("1", Decimal("0.7")), ("2", Decimal("0.3")))
    return [
        _counter(Series(series.name, {**series.labels, "instance": pod}), _share(increments, part))
        for pod, part in parts
    ]


def _counter(series: Series, increments: list[Decimal]) -> dict[str, str]:
    return counter(series.name, series.labels, increments)


def _late(series: Series, increments: list[Decimal], first: int) -> dict[str, str]:
    """A counter that is not there before the first event."""
    data = counter(series.name, series.labels, increments[first:])
    return {**data, "values": f"_x{first} {data['values']}"} if first else data


def _share(increments: Iterable[Decimal], part: Decimal) -> list[Decimal]:
    return [increment * part for increment in increments]


def _evaluations(budget: Budget, interval: Duration, step: Duration) -> dict[str, Any]:
    """A gauge's good and bad evaluations are given as they are recorded, 1 or 0 each."""
    story = _Story(budget, interval, step)
    # Every fifth evaluation is bad, or two of five in the older part of a window.
    shares = [part / events if events else part for part, events in zip(story.bad, story.total, strict=True)]
    bad = [Decimal(int(share > 0 and now % 5 < round(share * 5))) for now, share in enumerate(shares)]
    errors = [Decimal(0), *bad]
    labels = {MODEL: budget.model, SLO: budget.slo}
    when = at(story.end, step)
    checks = []
    for window in budget.windows:
        # Both ends of a range count.
        counted = errors[-(math.floor(window.seconds / interval.seconds) + 1) :]
        if sum(counted):
            found = sum(counted, Decimal(0))
            checks.append(near(_of(budget, budget.errors(window)), found, labels, when))
            checks.append(near(_of(budget, budget.events(window)), Decimal(len(counted)), labels, when))
            checks.append(near(_of(budget, budget.ratio(window)), found / len(counted), labels, when))
    long = budget.pairs[0].long
    counted = errors[-(math.floor(long.seconds / interval.seconds) + 1) :]
    if sum(counted):
        burning = sum(counted, Decimal(0)) / len(counted) / budget.share
        checks.append(near(_of(budget, BURN_RATE_RECORD), burning, labels, when))
    samples = " ".join(number(value) for value in errors)
    ones, parts = f"1x{len(errors) - 1}", f"0.25x{len(errors) - 1}"
    given = [
        {"series": selector(errors_record(_BOOL), labels), "values": samples},
        {"series": selector(events_record(_BOOL), labels), "values": ones},
    ]
    for change in ({SLO: f"{budget.slo}-other"}, {MODEL: f"{budget.model}-other"}):
        for name in (errors_record(_BOOL), events_record(_BOOL)):
            given.append({"series": selector(name, {**labels, **change}), "values": parts})
    return {
        "interval": str(interval),
        "name": f"event ratios of {budget.slo}",
        "input_series": given,
        "promql_expr_test": checks,
    }


def _whole(budget: Budget, step: Duration, series: EventSeries | None) -> Iterator[dict[str, Any]]:
    """What is left of the budget over the whole time window."""
    shortest = budget.windows[0]
    if budget.whole in budget.windows or step.seconds <= shortest.seconds:
        return
    count = math.floor(budget.whole.seconds / step.seconds)
    older, before = round(_OLDER_PART * count), round(0.3 * count)
    share = budget.share
    # Before the time window, in its older part, and in the rest of it: bad events, and all of them.
    parts = [(before, Decimal(900), Decimal(1000)), (older, 3 * share * 2500, Decimal(2500))]
    parts.append((count + 1 - older, share / 2 * 1000, Decimal(1000)))
    errors = [bad for many, bad, _ in parts for _ in range(many)]
    events = [total for many, _, total in parts for _ in range(many)]
    ratio = sum(errors[before:], Decimal(0)) / sum(events[before:], Decimal(0))
    when = at(len(errors), step)
    labels = {MODEL: budget.model, SLO: budget.slo}
    if isinstance(budget.sli, GoodSli):
        every, given = step, list(_recorded(labels, errors, events))
    else:
        every = Duration.of_seconds(shortest.seconds / 2)
        given = [_seldom(one, values, every, step) for one, values in _raw(budget, series, errors, events)]
    # What another SLO has recorded under that name does not count.
    plain: list[Sample] = [Decimal("0.75")] * (round(step.seconds / every.seconds) * len(errors) + 1)
    other = {**labels, SLO: f"{budget.slo}-other"}
    given.append(InputSeries(budget.ratio(budget.whole), other, plain).as_data())
    yield {
        "interval": str(every),
        "name": f"error budget of {budget.slo} over {budget.whole}",
        "input_series": given,
        "promql_expr_test": [
            near(budget.select(budget.ratio(budget.whole)), ratio, labels, when),
            near(_of(budget, BUDGET_REMAINING_RECORD), 1 - ratio / share, labels, when),
        ],
    }


def _recorded(
    labels: dict[str, str], errors: Sequence[Decimal], events: Sequence[Decimal]
) -> Iterator[dict[str, str]]:
    """Evaluations of a gauge: the records themselves, which nothing else makes here."""
    for name, values in ((errors_record(_BOOL), errors), (events_record(_BOOL), events)):
        yield InputSeries(name, labels, [Decimal(0), *values]).as_data()


def _raw(
    budget: Budget, series: EventSeries | None, errors: list[Decimal], events: list[Decimal]
) -> Iterator[tuple[Series, list[Decimal]]]:
    """One pod's counters, and by how much each grows before each evaluation."""
    own = {MODEL: budget.model, "version": "1", "instance": "10.0.0.1:9847"}
    good = [whole - part for whole, part in zip(events, errors, strict=True)]
    if series is not None:
        yield series.errors, errors
        yield series.total, good if series.bad_in_total else events
        for other in series.others:
            yield other, [Decimal(0)] * len(events)
    elif isinstance(budget.sli, LatencySli):
        yield Series(f"{LATENCY}_count", own), events
        yield Series(f"{LATENCY}_bucket", {**own, "le": budget.sli.bucket}), good
    else:
        yield Series(TOTAL, own), events
        yield Series(ERRORS, {**own, "code": "500"}), errors


def _seldom(series: Series, increases: list[Decimal], every: Duration, step: Duration) -> dict[str, str]:
    """Scraped only as often as the shortest window before each evaluation needs, or it would be days of samples."""
    gap = round(step.seconds / every.seconds) - 3
    value = Decimal(0)
    parts = ["0"]
    for increase in increases:
        parts += [f"_x{gap}"] if gap > 0 else []
        parts += [number(value), number(value + increase / 2), number(value + increase)]
        value += increase
    return {"series": selector(series.name, series.labels), "values": " ".join(parts)}
