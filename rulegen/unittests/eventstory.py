"""What is counted before the moment at which the records of an error budget are looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from mlslo.yamlfile import Duration
from rulegen.promql.expressions import exact, number, selector
from rulegen.slo.budget import Budget
from rulegen.unittests.selected import Series

_MILLISECONDS = 1000
# Of the shortest window: samples lie so close to both sides of where a window begins.
_CLOSE = 20
_FIRST, _BAD, _MORE_BAD = Decimal(1000), Decimal("0.2"), Decimal("0.4")
# Counters are read one after the other: in between, this many were fast that are not counted yet.
_AHEAD = Decimal(10)
# How long before the evaluations without bad events they are read last; which of the times that is.
_LAST, _QUIET, _WELL = 2, 1, 3


def part_of(step: Duration, most: float) -> Duration:
    """The longest whole part of ``step`` that has ``most`` seconds at most, down to milliseconds."""
    whole = round(step.seconds * _MILLISECONDS)
    least = max(math.ceil(whole / (most * _MILLISECONDS)), 1)
    parts = next(parts for parts in range(least, whole + 1) if whole % parts == 0)
    return Duration.of_seconds(whole / parts / _MILLISECONDS)


@dataclass(frozen=True)
class EventStory:
    """Much happens just after each window begins, and just before: one of another length has another rate.

    Nothing is read where a window begins, since versions of Prometheus differ in whether that belongs to it. Before
    all of it there is an evaluation without events (``quiet``), one without bad ones (``well``), and one where what was
    read is too old for the shortest window (``silent``). Times are counted in ``every``.
    """

    budget: Budget
    step: Duration

    @cached_property
    def every(self) -> Duration:
        """The interval of samples; most of them are not there."""
        return part_of(self.step, self.budget.windows[0].seconds / _CLOSE)

    @cached_property
    def _steps(self) -> int:
        return round(self.step.seconds / self.every.seconds)

    def _length(self, window: Duration) -> float:
        return window.seconds / self.every.seconds

    def _inside(self, window: Duration) -> int:
        return math.ceil(self._length(window)) - 1

    def _outside(self, window: Duration) -> int:
        return math.floor(self._length(window)) + 1

    @cached_property
    def quiet(self) -> int:
        return math.ceil(1.5 * self._length(self.budget.windows[0]) / self._steps) * self._steps

    @property
    def well(self) -> int:
        return 2 * self.quiet

    @property
    def silent(self) -> int:
        return 3 * self.quiet

    @cached_property
    def end(self) -> int:
        """When the records are looked at."""
        longest = math.ceil(self._outside(self.budget.windows[-1]) / self._steps) * self._steps
        return self.silent + longest + self._steps

    @cached_property
    def _edges(self) -> set[int]:
        return {self._inside(window) for window in self.budget.windows}

    @cached_property
    def ages(self) -> list[int]:
        """How long before the end something is read, the oldest first."""
        found = {0, 1}
        for window in self.budget.windows:
            found |= {self._outside(window), self._inside(window), self._inside(window) - 2}
        starts = {self._length(window) for window in self.budget.windows}
        return sorted(found - starts, reverse=True)

    @cached_property
    def times(self) -> list[int]:
        """When counters are read: twice before each of the evaluations without bad events, then as the ages are."""
        inside, outside = self._inside(self.budget.windows[0]), self._outside(self.budget.windows[0])
        early = ((self.quiet, inside), (self.well, inside), (self.silent, outside))
        before = [moment - age for moment, oldest in early for age in (oldest, _LAST)]
        return before + [self.end - age for age in self.ages]

    @property
    def first(self) -> int:
        """The place among the times of the last one before any event."""
        return len(self.times) - len(self.ages)

    @cached_property
    def total(self) -> list[Decimal]:
        """Events since the time before, at each of the times: half as many as there are after, and at last none."""
        found = [Decimal(0)]
        since = Decimal(0)
        for _ in self.ages[2:]:
            found.append(_hundreds(since / 2) if since else _FIRST)
            since += found[-1]
        none = Decimal(0)
        return [none] * _WELL + [_FIRST] + [none] * (self.first - _WELL) + found[::-1]

    @cached_property
    def bad(self) -> list[Decimal]:
        """Bad events since the time before: more of them just after a window begins."""
        shares = [_MORE_BAD if before in self._edges else _BAD for before in self.ages[:-1]]
        own = [share * events for share, events in zip(shares, self.total[self.first + 1 :], strict=True)]
        return [Decimal(0)] * (self.first + 1) + own

    def fast(self, part: Decimal) -> list[Decimal]:
        """Of a part of all events those that were not slow, and at first more than there were."""
        found = [part * (whole - bad) for whole, bad in zip(self.total, self.bad, strict=True)]
        return [more + _AHEAD * (place in (_QUIET, _WELL)) for place, more in enumerate(found)]

    def increase(self, values: Sequence[Decimal], window: Duration) -> Decimal:
        """How much a counter grows over a window at the end, as `increase` says.

        It goes on to where the window begins as it did after the first sample in it:
        https://prometheus.io/docs/prometheus/latest/querying/functions/#rate
        """
        inside = sum(age < self._length(window) for age in self.ages)
        oldest = self.ages[-inside]
        return sum(values[len(values) - inside + 1 :], Decimal(0)) * exact(self._length(window)) / oldest

    def sum(self, values: Sequence[Decimal], window: Duration) -> Decimal:
        """The sum of what is read in a window at the end."""
        inside = sum(age < self._length(window) for age in self.ages)
        return sum(values[-inside:], Decimal(0))

    def counter(self, series: Series, increments: Sequence[Decimal], *, late: bool = False) -> dict[str, str]:
        """A counter as it is read; ``late``: it is not there before the first event."""
        found: list[Decimal] = []
        for increment in increments:
            found.append(increment + (found[-1] if found else 0))
        since = self.first if late else 0
        return self.samples(series, found[since:], self.times[since:])

    def samples(self, series: Series, values: Sequence[Decimal], times: Sequence[int]) -> dict[str, str]:
        """A series that has ``values`` at ``times``."""
        return {
            "series": selector(series.name, series.labels),
            "values": " ".join(_notation(values, times)),
        }


def _notation(values: Sequence[Decimal], times: Sequence[int]) -> Iterator[str]:
    after = 0
    for time, value in zip(times, values, strict=True):
        if time > after:
            yield f"_x{time - after}"
        yield number(value)
        after = time + 1


def _hundreds(value: Decimal) -> Decimal:
    return value // 100 * 100
