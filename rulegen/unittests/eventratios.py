"""Tests of the records of an error budget: events and bad events over each window, their ratios, how fast it burns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import (
    BUDGET_REMAINING_RECORD,
    BURN_RATE_RECORD,
    MODEL,
    SLO,
    errors_record,
    events_record,
)
from rulegen.promql.expressions import exact, quote, selector
from rulegen.slo.budget import Budget
from rulegen.slo.events import ERRORS, LATENCY, TOTAL, ErrorsSli, EventSli, GoodSli, LatencySli, RatioSli
from rulegen.unittests import wholebudget
from rulegen.unittests.eventstory import EventStory
from rulegen.unittests.nearly import near
from rulegen.unittests.rawseries import EventSeries, event_series
from rulegen.unittests.selected import Series
from rulegen.unittests.timeline import at

_PODS = (("1", Decimal("0.7")), ("2", Decimal("0.3")))
_MANY = Decimal(10**6)
_BOOL = "bool"
Given = dict[str, str]


def tests(budget: Budget, step: Duration) -> list[dict[str, Any]] | None:
    """Rules are evaluated every ``step``. None where it is not known what the SLI's expressions select."""
    series = None
    if isinstance(budget.sli, RatioSli):
        series = event_series(budget.sli.ratio)
        if series is None:
            return None
    story = EventStory(budget, step)
    counted = _recorded(story) if isinstance(budget.sli, GoodSli) else _counters(story, series)
    own = {
        "interval": str(story.every),
        "name": f"event ratios of {budget.slo}",
        "input_series": [*counted, *_records_of_others(story)],
        "promql_expr_test": [*_before(story, late=_late(budget, series)), *_checks(story)],
    }
    return [own, *wholebudget.tests(budget, step)]


def _late(budget: Budget, series: EventSeries | None) -> bool:
    """Whether there is no series of bad events before the first of them."""
    return isinstance(budget.sli, ErrorsSli) or (series is not None and not series.needed)


def _before(story: EventStory, *, late: bool) -> Iterator[dict[str, Any]]:
    """No event, so that none was bad; events, of which none was; then nothing is known of the shortest window.

    Where there is no series of bad events (``late``), the others look at that one for whether there are events.
    """
    budget = story.budget
    if isinstance(budget.sli, GoodSli):
        return
    unknown = len(budget.windows) if late else 1
    for moment, known in (
        (story.quiet, budget.windows),
        (story.well, budget.windows),
        (story.silent, budget.windows[unknown:]),
    ):
        labels = {MODEL: budget.model, SLO: budget.slo}
        none = [{"labels": selector(budget.errors(window), labels), "value": 0} for window in known]
        of_all = f'{{__name__=~"{errors_record(".+")}",{SLO}={quote(budget.slo)}}}'
        yield {"expr": of_all, "eval_time": at(moment, story.every), "exp_samples": none}


def _checks(story: EventStory) -> Iterator[dict[str, Any]]:
    budget = story.budget
    labels, when = {MODEL: budget.model, SLO: budget.slo}, at(story.end, story.every)
    ratios: dict[Duration, Decimal] = {}
    for window in budget.windows:
        errors, events = (_over(story, values, window) for values in (story.bad, story.total))
        ratios[window] = errors / events
        yield near(_of(budget, budget.events(window)), events, labels, when)
        yield near(_of(budget, budget.errors(window)), errors, labels, when)
        yield near(budget.select(budget.ratio(window)), ratios[window], labels, when)
    burning = ratios[budget.pairs[0].long] / budget.share
    yield near(_of(budget, BURN_RATE_RECORD), burning, labels, when)
    if budget.whole in ratios:
        yield near(
            _of(budget, BUDGET_REMAINING_RECORD), 1 - ratios[budget.whole] / budget.share, labels, when
        )


def _over(story: EventStory, values: Sequence[Decimal], window: Duration) -> Decimal:
    """What a record says of a window."""
    if isinstance(story.budget.sli, GoodSli):
        return story.sum(values, window)
    increase = story.increase(values, window)
    return increase / exact(window.seconds) if story.budget.sli.operation == "rate" else increase


def _of(budget: Budget, record: str) -> str:
    """A record of the SLO, of whatever model."""
    return selector(record, {SLO: budget.slo})


def _records_of_others(story: EventStory) -> Iterator[Given]:
    """What the rules of another SLO, and of another model, have recorded under names that this one's read."""
    budget = story.budget
    read = [budget.ratio(budget.pairs[0].long), budget.ratio(budget.whole)]
    other_slo, other_model = {SLO: f"{budget.slo}-other"}, {MODEL: f"{budget.model}-other"}
    pairs = [(name, change) for name in dict.fromkeys(read) for change in (other_slo, other_model)]
    if isinstance(budget.sli, LatencySli):
        pairs += [(budget.events(window), other_slo) for window in budget.windows]
    if isinstance(budget.sli, GoodSli):
        names = (errors_record(_BOOL), events_record(_BOOL))
        pairs += [(name, change) for name in names for change in (other_slo, other_model)]
    for name, change in pairs:
        labels = {MODEL: budget.model, SLO: budget.slo, **change}
        yield story.samples(Series(name, labels), [_MANY], [story.end])


def _recorded(story: EventStory) -> Iterator[Given]:
    """A gauge's bad evaluations and all of them, as if many had been recorded at once."""
    labels = {MODEL: story.budget.model, SLO: story.budget.slo}
    times = story.times[story.first :]
    for name, values in ((errors_record(_BOOL), story.bad), (events_record(_BOOL), story.total)):
        since = values[story.first + 1 :]
        yield story.samples(Series(name, labels), [sum(since, Decimal(0)), *since], times)


def _counters(story: EventStory, series: EventSeries | None) -> Iterator[Given]:
    """The counters behind an SLI."""
    if series is not None:
        yield from _of_ratio(story, series)
        return
    sli, model = story.budget.sli, story.budget.model
    for pod, part in _PODS:
        labels = {MODEL: model, "version": pod, "instance": f"10.0.0.{pod}:9847"}
        if isinstance(sli, LatencySli):
            total = _share(story.total, part)
            # A whole number of seconds is written in two ways; the buckets beside it must not count.
            bound = f"{sli.bucket}.0" if pod == "2" and "." not in sli.bucket else sli.bucket
            yield story.counter(Series(f"{LATENCY}_count", labels), total)
            yield story.counter(Series(f"{LATENCY}_bucket", {**labels, "le": bound}), story.fast(part))
            yield story.counter(Series(f"{LATENCY}_bucket", {**labels, "le": "+Inf"}), total)
        else:
            yield story.counter(Series(TOTAL, labels), _share(story.total, part))
            errors = Series(ERRORS, {**labels, "code": f"50{pod}"})
            yield story.counter(errors, _share(story.bad, part), late=True)
    for one in _of_another_model(sli, {MODEL: f"{model}-other", "version": "1"}):
        yield _decoy(story, one)


def _of_another_model(sli: EventSli, labels: dict[str, str]) -> Iterator[Series]:
    if isinstance(sli, LatencySli):
        yield Series(f"{LATENCY}_count", labels)
        yield Series(f"{LATENCY}_bucket", {**labels, "le": sli.bucket})
    else:
        assert isinstance(sli, ErrorsSli)
        yield Series(TOTAL, labels)
        yield Series(ERRORS, {**labels, "code": "500"})


def _of_ratio(story: EventStory, series: EventSeries) -> Iterator[Given]:
    """Series that count bad events, those that count the rest of all, and those that must not count."""
    rest = story.total
    for one, part, in_total in zip(series.bad, _parts(len(series.bad)), series.in_total, strict=True):
        own = _share(story.bad, part)
        rest = [whole - bad for whole, bad in zip(rest, own, strict=True)] if in_total else rest
        yield from _of_pods(story, one, own, late=not series.needed)
    for one, part in zip(series.rest, _parts(len(series.rest)), strict=True):
        yield from _of_pods(story, one, _share(rest, part), late=False)
    for one in series.others:
        yield story.counter(one, [Decimal(0)] * len(rest))
    for one in series.decoys:
        yield _decoy(story, one)


def _of_pods(
    story: EventStory, series: Series, increments: Sequence[Decimal], *, late: bool
) -> Iterator[Given]:
    """Two series that together are one, if there may be two."""
    if "instance" in series.labels:
        yield story.counter(series, increments, late=late)
        return
    for pod, part in _PODS:
        one = Series(series.name, {**series.labels, "instance": pod})
        yield story.counter(one, _share(increments, part), late=late)


def _parts(count: int) -> list[Decimal]:
    """Parts of a whole, each half of what is left but the last."""
    halves = [Decimal(1) / 2**place for place in range(1, count)]
    return [*halves, 1 - sum(halves, Decimal(0))]


def _decoy(story: EventStory, series: Series) -> Given:
    """A counter that grows much, is there where the others are silent, and must not count."""
    many = 10 * sum(story.total, Decimal(0))
    times = [moment - before for moment in (story.silent, story.end) for before in (2, 1)]
    return story.samples(series, [place * many for place in range(len(times))], times)


def _share(increments: Sequence[Decimal], part: Decimal) -> list[Decimal]:
    return [increment * part for increment in increments]
