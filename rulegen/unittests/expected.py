"""States of an alert, evaluation by evaluation, worked out without its PromQL.

`Kind.holds` says where a condition holds; here are the rules of `for`, `keep_firing_for`, breaches and baselines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from mlslo.yamlfile import Duration
from rulegen.conditions import History
from rulegen.conditions.history import Deviation
from rulegen.promql.replicas import WEIGHTED
from rulegen.slo.alerts import GaugeAlert
from rulegen.unittests.case import GONE, Sample, Scrape
from rulegen.unittests.probes import Probe

Scrapes = tuple[Scrape, ...]


def states(
    held: Sequence[bool], interval: Duration, lasting: Duration | None, keep: Duration | None
) -> list[str | None]:
    """Return "pending", "firing" or None after each evaluation, given whether the condition held at it."""
    needed, kept = lasting.seconds if lasting else 0.0, keep.seconds if keep else 0.0
    found: list[str | None] = []
    active: int | None = None
    recovered: int | None = None
    firing = False
    for now, holds in enumerate(held):
        if holds:
            active = now if active is None else active
            recovered = None
            firing = firing or (now - active) * interval.seconds >= needed
        else:
            recovered = now if firing and recovered is None else recovered
            if recovered is None or (now - recovered) * interval.seconds >= kept:
                firing, active, recovered = False, None, None
        found.append("firing" if firing else "pending" if holds else None)
    return found


def sides_of_changes(states: Sequence[object], since: int = 1) -> set[int]:
    """Return the evaluations just before and at each change from the evaluation ``since`` on."""
    changes = (now for now in range(max(since, 1), len(states)) if states[now] != states[now - 1])
    return {side for now in changes for side in (now - 1, now)}


def baselines(alert: GaugeAlert, length: int) -> tuple[tuple[History, ...], int, bool]:
    """Sort the histories of an alert for a test of ``length`` evaluations.

    Return those that it has to give as records, since the rules do not record them in it; how many healthy evaluations
    it begins with, until the others are there; and whether that works out.
    """
    histories = tuple(alert.kind.histories())
    lead = 0
    own: tuple[History, ...] = ()
    while True:
        found = tuple(one for one in histories if recorded_after(alert, one) < lead + length)
        if len(found) == len(own):
            break
        own = found
        lead = max(recorded_after(alert, one) + 1 for one in own)
    # What is given beside a mean that comes about would be recorded as well, and nothing deviates from health.
    possible = not any(isinstance(one, Deviation) for one in own)
    return tuple(one for one in histories if one not in own), lead, possible


def recorded_after(alert: GaugeAlert, history: History) -> int:
    """The first evaluation at which the rules may record ``history``."""
    alone = isinstance(history, Deviation) and "version" in alert.series.labels
    return int(history.offset // alert.series.interval.seconds) + (0 if alone else history.least - 1)


@dataclass(frozen=True)
class Course:
    """The course of an alert over several series of a version, evaluation by evaluation.

    ``edge``: whether a range begins with the sample that is just as old as it is long, as before Prometheus 3.
    """

    alert: GaugeAlert
    probe: Probe
    given: Sequence[History]
    scrapes: Sequence[Scrapes]
    edge: bool = True

    @cached_property
    def values(self) -> list[tuple[Sample, ...]]:
        """The values that the rules see."""
        found: list[tuple[Sample, ...]] = []
        for scrape in self.scrapes:
            before = found[-1] if found else (GONE,) * len(scrape)
            seen = zip(scrape, before, strict=True)
            found.append(tuple(self._seen(was if isinstance(now, str) else now) for now, was in seen))
        return found

    def _seen(self, value: Sample) -> Sample:
        """A weighted mean leaves NaN out."""
        weighted = self.alert.series.aggregation == WEIGHTED
        return GONE if weighted and value is not None and value.is_nan() else value

    def past(self, now: int, series: int) -> dict[str, Decimal]:
        """The records of the past of one series, as far as they are there."""
        found: dict[str, Decimal] = {}
        for history in self.alert.kind.histories():
            if history in self.given:
                value: Decimal | None = self.given_past(history, now, series)
            else:
                value = self._recorded(history, now, series)
            if value is not None and not value.is_nan():
                found[history.record.name] = value
        return found

    def given_past(self, history: History, now: int, series: int) -> Decimal:
        """Return the value of a given record: steady, or the forecast of a gauge that stays as it is."""
        if not history.of_version:
            return self.probe.world.past[history.record.name]
        own = (values[series] for values in reversed(self.values[: now + 1]))
        last = next(value for value in own if value is not None and not value.is_nan())
        return last + self.probe.world.ahead

    def _recorded(self, history: History, now: int, series: int) -> Decimal | None:
        step = self.alert.series.interval.seconds
        end = math.floor(now - history.offset / step)
        if end < 0:
            return None
        first = end
        if history.window:
            oldest = now - (history.offset + history.window) / step
            first = max(math.ceil(oldest) if self.edge else math.floor(oldest) + 1, 0)
        found = [
            ((now - at) * step, value)
            for at in range(first, end + 1)
            if (value := self.values[at][series]) is not None
        ]
        return history.of(found) if len(found) >= history.least else None

    @cached_property
    def bad(self) -> list[list[int]]:
        """The series that are bad at each evaluation, by their places."""
        return [
            [index for index, value in enumerate(values) if self._holds(value, now, index)]
            for now, values in enumerate(self.values)
        ]

    def _holds(self, value: Sample, now: int, series: int) -> bool:
        if value is None or value.is_nan():
            return False
        return self.alert.kind.holds(value, replace(self.probe.world, past=self.past(now, series)))

    @cached_property
    def states(self) -> list[str | None]:
        """The state after each evaluation."""
        spec, several = self.alert.spec, self.alert.several
        size = len(self.scrapes[0])
        held = [several.reached(len(bad), size) if several else bool(bad) for bad in self.bad]
        if spec.breaches:
            last = spec.breaches.ofLast
            often = [
                sum(held[max(0, now - last + 1) : now + 1]) >= spec.breaches.atLeast
                for now in range(len(held))
            ]
            # A gauge that is gone has no alert, however bad it was.
            held = [
                enough and any(value is not None for value in values)
                for enough, values in zip(often, self.values, strict=True)
            ]
        return states(held, self.alert.series.interval, spec.for_, spec.keepFiringFor)
