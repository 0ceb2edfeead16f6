"""Tests of the records of a gauge's past: its mean, its deviation, what it was, what it is going to be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.conditions import History
from rulegen.conditions.history import Deviation
from rulegen.promql.conventions import MODEL, SLO
from rulegen.promql.expressions import selector
from rulegen.sli.gauge import GaugeSeries
from rulegen.unittests.nearly import CLOSE, near
from rulegen.unittests.timeline import GONE, MOST_SAMPLES, InputSeries, Sample, at

# What the gauge was before the window, in its older part, in the rest of it, and since.
_BEFORE, _OLDER, _NEWER, _SINCE = Decimal(2), Decimal("0.8"), Decimal("0.2"), Decimal(5)
_OLDER_PART = 0.2
# Of the second version, which is there from the newer part on.
_SECOND = Decimal("0.6")
# Where a trend changes, as a part of its window.
_BEND = 0.4


def length(series: GaugeSeries, history: History) -> float:
    """How far back its tests look, in seconds."""
    return history.offset + max(1.3 * history.window, (history.least + 3) * series.interval.seconds)


def can_be_loaded(series: GaugeSeries, history: History) -> bool:
    """Whether promtool loads as many samples as its tests have."""
    interval = series.interval.seconds
    if history.of_version or not history.window:
        return history.window / interval < MOST_SAMPLES
    return history.least < min(MOST_SAMPLES, history.window / _every(series, history))


def _every(series: GaugeSeries, history: History) -> float:
    """Seconds between samples of a mean: as seldom as can be, yet more of them than are needed."""
    interval = series.interval.seconds
    if not history.window:
        return interval
    seldom = history.window / (1.5 * history.least) // interval
    most = math.ceil(history.window / MOST_SAMPLES / interval)
    return max(seldom, most, 1) * interval


def tests(series: GaugeSeries, history: History, step: Duration) -> list[dict[str, Any]]:
    """Of which part of the past it is the mean, over two versions; and how much of it there must be."""
    if history.of_version:
        return [_trend(series, history, step), *_amounts(series, history, step)]
    mean = _Case(series, history, step).mean()
    return [mean, *_amounts(series, history, step)] if history.window else [mean]


@dataclass(frozen=True)
class _Case:
    series: GaugeSeries
    history: History
    step: Duration

    @property
    def end(self) -> int:
        """The evaluation at which the record is looked at."""
        return _end(self.series, self.history, self.step)

    def mean(self) -> dict[str, Any]:
        every = _every(self.series, self.history)
        first, second = self._window(every) if self.history.window else self._moment(every)
        versions = "version" in self.series.varying
        known = (first, second) if versions else (first,)
        now = self.end * self.step.seconds
        expected = self.history.of(_seen(self.history, known, Duration.of_seconds(every), now))
        labels = _labels(self.series)
        own = [{"version": "1"}, {"version": "2"}] if versions else [{}]
        given = [
            InputSeries(self.series.record, {**labels, **version}, samples)
            for version, samples in zip(own, (first, second), strict=False)
        ]
        # What another SLO, or another model, recorded under that name does not count.
        plain: list[Sample] = [_BEFORE] * len(first)
        for change in ({SLO: f"{self.series.slo}-other"}, {MODEL: f"{self.series.model}-other"}):
            given.append(InputSeries(self.series.record, {**labels, **own[0], **change}, plain))
            if isinstance(self.history, Deviation):
                given.append(InputSeries(self.history.mean, {**labels, **change}, plain))
        checks = [near(self._own, expected, labels, at(self.end, self.step), CLOSE)]
        return _test(self.series, self.history, "", every, given, checks)

    def _window(self, every: float) -> tuple[list[Sample], list[Sample]]:
        """Both versions."""
        seconds = self.end * self.step.seconds
        end = seconds - self.history.offset
        start = end - self.history.window
        newer = start + _OLDER_PART * self.history.window
        first: list[Sample] = []
        second: list[Sample] = []
        for index in range(int(seconds // every) + 1):
            now = index * every
            first.append(_first(now, start, newer, end))
            second.append(GONE if now < newer else _SECOND if now <= end else _SINCE)
        return first, second

    def _moment(self, every: float) -> tuple[list[Sample], list[Sample]]:
        """Both versions, which are what they are for one sample only, and are not there but for the two beside it."""
        seconds = self.end * self.step.seconds
        then = int((seconds - self.history.offset) // every)
        count = int(seconds // every) + 1
        versions = ((_BEFORE, _OLDER, _SINCE), (_SINCE, _SECOND, _SINCE))
        first, second = ([GONE] * (then - 1) + list(own) + [GONE] * (count - then - 2) for own in versions)
        return first[:count], second[:count]

    @property
    def _own(self) -> str:
        """The record, of whatever model."""
        return selector(self.history.record.name, {SLO: self.series.slo})


def _trend(series: GaugeSeries, history: History, step: Duration) -> dict[str, Any]:
    """A version that falls, and one that is half as long there."""
    interval = series.interval
    end = _end(series, history, step)
    start = end * step.seconds - history.window
    count = int(end * step.seconds / interval.seconds) + 1
    times = [index * interval.seconds for index in range(count)]
    bend = start + _BEND * history.window
    first = [_first(now, start, bend, math.inf) for now in times]
    second: list[Sample] = [GONE] * (count // 2) + [_SECOND] * (count - count // 2)
    versions = "version" in series.varying
    labels = _labels(series)
    old, new = ({"version": "1"}, {"version": "2"}) if versions else ({}, {})
    given = [InputSeries(series.record, {**labels, **old}, first)]
    given += [InputSeries(series.record, {**labels, **new}, second)] if versions else []
    own = {**labels, **old}
    expected = history.of(_seen(history, [first], interval, end * step.seconds))
    check = near(selector(history.record.name, own), expected, own, at(end, step), CLOSE)
    return _test(series, history, "", interval.seconds, given, [check])


def _amounts(series: GaugeSeries, history: History, step: Duration) -> list[dict[str, Any]]:
    """Exactly as many evaluations as are needed, and one less, beside one that is too long ago."""
    interval = series.interval.seconds
    end = _end(series, history, step)
    first = int((end * step.seconds - history.offset - history.window) // interval) + 1
    own = {"version": "1"} if "version" in series.varying else {}
    enough: list[Sample] = [GONE] * first + [_OLDER] * history.least
    # Whether the window begins with the one before the first is not the same in Prometheus 2 and 3.
    too_few: list[Sample] = [GONE] * (first - 2) + [_OLDER, GONE] + [_OLDER] * (history.least - 1)
    query = f"count({series.select(history.record.name)})"
    found = []
    for samples, said, count in ((enough, "enough", 1), (too_few, "one too few", 0)):
        there = [*samples, *[GONE] * (int(end * step.seconds / interval) + 1 - len(samples))]
        given = [InputSeries(series.record, {**_labels(series), **own}, there)]
        expected = [{"labels": "{}", "value": count}] if count else []
        check = {"expr": query, "eval_time": at(end, step), "exp_samples": expected}
        found.append(_test(series, history, f": {said}", interval, given, [check]))
    return found


def _first(now: float, start: float, bend: float, end: float) -> Sample:
    """The first version, which changes at the beginning of a window, within it and after it."""
    if now == start:
        # Whether a window begins with what is just as old is not the same in Prometheus 2 and 3.
        return GONE
    if now < start or now > end:
        return _BEFORE if now < start else _SINCE
    return _OLDER if now < bend else _NEWER


def _end(series: GaugeSeries, history: History, step: Duration) -> int:
    """The evaluation at which the record is looked at."""
    return math.ceil(length(series, history) / step.seconds)


def _labels(series: GaugeSeries) -> dict[str, str]:
    entities = {label: f"{label}_1" for label in series.entities}
    return {**series.fixed, **entities, SLO: series.slo}


def _test(
    series: GaugeSeries,
    history: History,
    said: str,
    every: float,
    given: Sequence[InputSeries],
    checks: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "interval": str(Duration.of_seconds(every)),
        "name": f"{history.record.name} of {series.slo}{said}",
        "input_series": [one.as_data() for one in given],
        "promql_expr_test": checks,
    }


def _seen(
    history: History, versions: Sequence[Sequence[Sample]], interval: Duration, now: float
) -> list[tuple[float, Decimal]]:
    """The samples that a record is made of at ``now``, as ages and values."""
    last = math.floor((now - history.offset) / interval.seconds)
    start = last
    if history.window:
        start = max(math.ceil((now - history.offset - history.window) / interval.seconds), 0)
    return [
        (now - index * interval.seconds, value)
        for samples in versions
        for index, value in enumerate(samples[start : last + 1], start)
        if value is not None
    ]
