"""Tests of the records of a gauge's past: its mean, its deviation, what it was, what it is going to be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exporter.yamlfile import Duration
from rulegen.conditions import History
from rulegen.conventions import MODEL, SLO
from rulegen.gauge import GaugeSeries
from rulegen.promql import selector
from rulegen.unittests.nearly import near
from rulegen.unittests.timeline import GONE, InputSeries, Sample, at

# What the gauge was before the window, in its older part, in the rest of it, and since.
_BEFORE, _OLDER, _NEWER, _SINCE = Decimal(2), Decimal("0.8"), Decimal("0.2"), Decimal(5)
_OLDER_PART = 0.2
# Of the second version, which is there for the newer part only.
_SECOND = Decimal("0.6")
# Of a trend.
_FIRST, _RISE = Decimal("0.8"), Decimal("0.0001")


def length(series: GaugeSeries, history: History) -> float:
    """How far back its tests look, in seconds."""
    if history.of_version:
        return history.offset + 2 * history.least * series.interval.seconds
    return history.offset + max(1.3 * history.window, (history.least + 3) * series.interval.seconds)


def tests(series: GaugeSeries, history: History, step: Duration) -> list[dict[str, Any]]:
    """Of which part of the past it is the mean, over two versions; and how much of it there must be."""
    if history.of_version:
        return [_trend(series, history, step)]
    case = _Case(series, history, step)
    return [case.mean(), *case.amounts()] if history.window else [case.mean()]


@dataclass(frozen=True)
class _Case:
    series: GaugeSeries
    history: History
    step: Duration

    @property
    def end(self) -> int:
        """The evaluation at which the record is looked at."""
        return math.ceil(length(self.series, self.history) / self.step.seconds)

    def mean(self) -> dict[str, Any]:
        every = self._every()
        first, second = self._window(every) if self.history.window else self._moment(every)
        versions = "version" in self.series.varying
        known = (first, second) if versions else (first,)
        now = self.end * self.step.seconds
        expected = self.history.of(_seen(self.history, known, Duration.of_seconds(every), now))
        labels = self._labels()
        own = [{"version": "1"}, {"version": "2"}] if versions else [{}]
        given = [
            InputSeries(self.series.record, {**labels, **version}, samples)
            for version, samples in zip(own, (first, second), strict=False)
        ]
        # What another SLO, or another model, recorded under that name does not count.
        plain: list[Sample] = [_BEFORE] * len(first)
        for change in ({SLO: f"{self.series.slo}-other"}, {MODEL: f"{self.series.model}-other"}):
            given.append(InputSeries(self.series.record, {**labels, **own[0], **change}, plain))
        checks = [near(self._own, expected, labels, at(self.end, self.step))]
        return self._test("", every, given, checks)

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
            first.append(
                _SINCE if now > end else _BEFORE if now < start else _OLDER if now < newer else _NEWER
            )
            second.append(_SECOND if newer <= now <= end else GONE)
        return first, second

    def _moment(self, every: float) -> tuple[list[Sample], list[Sample]]:
        """Both versions, which are what they are for one sample only."""
        seconds = self.end * self.step.seconds
        then = int((seconds - self.history.offset) // every)
        count = int(seconds // every) + 1
        first: list[Sample] = [_BEFORE if index < then else _SINCE for index in range(count)]
        second: list[Sample] = [_SINCE] * count
        first[then], second[then] = _OLDER, _SECOND
        return first, second

    def _every(self) -> float:
        """Seconds between samples: as seldom as can be, yet more of them than are needed."""
        interval = self.series.interval.seconds
        if not self.history.window:
            return interval
        return max(self.history.window / (1.5 * self.history.least) // interval, 1) * interval

    def amounts(self) -> list[dict[str, Any]]:
        """Exactly as many evaluations as are needed, and one less."""
        interval = self.series.interval.seconds
        last = int((self.end * self.step.seconds - self.history.offset) // interval)
        own = {"version": "1"} if "version" in self.series.varying else {}
        labels = self._labels()
        found = []
        for missing, said in ((0, "enough"), (1, "one too few")):
            first = last - self.history.least + 1 + missing
            samples: list[Sample] = [GONE] * first + [_OLDER] * (self.history.least - missing)
            given = [InputSeries(self.series.record, {**labels, **own}, samples)]
            when = at(self.end, self.step)
            there = [{"labels": "{}", "value": 1}]
            query = f"count({self._record})"
            check = {"expr": query, "eval_time": when, "exp_samples": [] if missing else there}
            found.append(self._test(f": {said}", interval, given, [check]))
        return found

    @property
    def _record(self) -> str:
        return self.series.select(self.history.record.name)

    @property
    def _own(self) -> str:
        """The record, of whatever model."""
        return selector(self.history.record.name, {SLO: self.series.slo})

    def _labels(self) -> dict[str, str]:
        entities = {label: f"{label}_1" for label in self.series.entities}
        return {**self.series.fixed, **entities, SLO: self.series.slo}

    def _test(
        self, said: str, every: float, given: Sequence[InputSeries], checks: list[dict[str, Any]]
    ) -> dict[str, Any]:
        return {
            "interval": str(Duration.of_seconds(every)),
            "name": f"{self.history.record.name} of {self.series.slo}{said}",
            "input_series": [one.as_data() for one in given],
            "promql_expr_test": checks,
        }


def _trend(series: GaugeSeries, history: History, step: Duration) -> dict[str, Any]:
    """A version that rises, and one that is half as long there."""
    interval = series.interval
    end = math.ceil(length(series, history) / step.seconds)
    count = math.ceil(end * step.seconds / interval.seconds) + 1
    versions = "version" in series.varying
    first: list[Sample] = [_FIRST + index * _RISE for index in range(count)]
    second: list[Sample] = [None] * (count // 2) + [_SECOND] * (count - count // 2)
    labels = {**series.fixed, **{label: f"{label}_1" for label in series.entities}, SLO: series.slo}
    old, new = ({"version": "1"}, {"version": "2"}) if versions else ({}, {})
    given = [InputSeries(series.record, {**labels, **old}, first)]
    given += [InputSeries(series.record, {**labels, **new}, second)] if versions else []
    own = {**labels, **old} if history.of_version else labels
    record = selector(history.record.name, own) if history.of_version else series.select(history.record.name)
    checks: list[dict[str, Any]] = []
    early = math.floor((history.offset + history.least * interval.seconds / 2) / step.seconds)
    if early and early * step.seconds < history.offset + (history.least - 1) * interval.seconds:
        checks.append({"expr": record, "eval_time": at(early, step), "exp_samples": []})
    known = [first, second] if versions and not history.of_version else [first]
    expected = history.of(_seen(history, known, interval, end * step.seconds))
    checks.append(near(record, expected, own, at(end, step)))
    return {
        "interval": str(interval),
        "name": f"{history.record.name} of {series.slo}",
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
