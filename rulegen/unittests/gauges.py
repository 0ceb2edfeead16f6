"""Tests of alerts on gauges: quiet just inside, fires just beyond in its time, resolves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from rulegen.alerts import GaugeAlert
from rulegen.conditions import History, World
from rulegen.conditions.reference import Reference
from rulegen.conventions import SLO
from rulegen.promql import number
from rulegen.queryseries import QuerySeries
from rulegen.texts import Firing
from rulegen.unittests.alertstate import State, breached, evaluations, states
from rulegen.unittests.probes import Probe, decoys, nearby, probes
from rulegen.unittests.timeline import InputSeries, Sample, alert_test

# A past that takes longer to come about than this is given to the test as its record.
LONGEST_PAST = 240

Values = tuple[Decimal, ...]


def tests(alert: GaugeAlert) -> tuple[list[dict[str, Any]], list[str]]:
    """The tests of one alert, and what could not be tested."""
    found, undecided = probes(alert.kind)
    missed = [
        f"alert {alert.rule.name}: no value of the gauge makes '{_said(leg)}' decide, it is not tested alone"
        for leg in undecided
    ]
    cases: list[_Case] = []
    for probe in found:
        whole = _Case(alert, probe)
        # Where a baseline soon takes in what came just before, one story is told as two.
        parts = (
            [whole]
            if whole.is_as_meant
            else [_Case(alert, probe, fires=False), _Case(alert, probe, quiet=False)]
        )
        cases += [part for part in parts if part.is_as_meant]
        if not parts[-1].is_as_meant:
            missed.append(
                f"alert {alert.rule.name}: a lasting drop or change from {number(probe.healthy)} to "
                f"{number(probe.beyond)} does not fire: the baseline takes it in before it has lasted long enough"
            )
    return [case.as_data() for case in cases], list(dict.fromkeys(missed))


def _said(leg: Any) -> str:
    return str(leg.phrase(values=False).template())


@dataclass(frozen=True)
class _Phase:
    """The same values of every series, for some evaluations."""

    name: str
    values: Values
    count: int


@dataclass(frozen=True)
class _Case:
    """One probe of one alert: what stays quiet, then what fires; or one of them."""

    alert: GaugeAlert
    probe: Probe
    quiet: bool = True
    fires: bool = True

    @cached_property
    def interval(self) -> Any:
        return self.alert.series.interval

    @cached_property
    def size(self) -> int:
        """How many series: one, or one more than must be bad at once."""
        return self.alert.several.least + 1 if self.alert.several else 1

    def _values(self, bad: int) -> Values:
        """``bad`` series beyond and the others healthy."""
        return (self.probe.beyond,) * bad + (self.probe.healthy,) * (self.size - bad)

    @cached_property
    def phases(self) -> list[_Phase]:
        """The story of the gauge."""
        spec = self.alert.spec
        lasting = evaluations(spec.for_, self.interval)
        least, last = (spec.breaches.atLeast, spec.breaches.ofLast) if spec.breaches else (1, 1)
        healthy = self._values(0)
        needed = self.alert.several.least if self.alert.several else 1
        rest = _Phase("healthy", healthy, last + 1)
        story = [_Phase("healthy", healthy, max(self.lead, 2))]
        if self.quiet:
            story += [_Phase("inside", (self.probe.inside,) * self.size, lasting + last + 1), rest]
        if self.quiet and needed > 1:
            story += [_Phase("too few", self._values(needed - 1), lasting + last + 1), rest]
        if self.quiet and least > 1:
            story += [_Phase("too few evaluations", self._values(needed), least - 1), rest]
        if not self.fires:
            return story
        recovery = evaluations(spec.keepFiringFor, self.interval) + last + 1
        return [
            *story,
            _Phase("beyond", self._values(needed), lasting + least + 1),
            _Phase("recovered", healthy, recovery),
        ]

    @cached_property
    def lead(self) -> int:
        """Evaluations until the past is there by itself, where it can be waited for."""
        needed = [self._needed(history) for history in self.alert.kind.histories()]
        return max((count for count in needed if count <= LONGEST_PAST), default=0)

    def _needed(self, history: History) -> int:
        return int(history.offset // self.interval.seconds) + history.least + 1

    @cached_property
    def given(self) -> list[History]:
        """The past that is given as a record."""
        return [h for h in self.alert.kind.histories() if self._needed(h) > LONGEST_PAST]

    @cached_property
    def values(self) -> list[Values]:
        return [phase.values for phase in self.phases for _ in range(phase.count)]

    def _world(self, now: int, series: int) -> World:
        past: dict[str, Decimal] = {}
        for history in self.alert.kind.histories():
            if history in self.given:
                past[history.record.name] = self.probe.healthy
            else:
                value = self._past(history, now, series)
                if value is not None:
                    past[history.record.name] = value
        return World(past, self.probe.world.reference)

    def _past(self, history: History, now: int, series: int) -> Decimal | None:
        """What the record of the past is at an evaluation, from the values until then."""
        step = self.interval.seconds
        end = int((now * step - history.offset) // step)
        if end < 0:
            return None
        if not history.window:
            return self.values[end][series]
        start = -int(-(now * step - history.offset - history.window) // step)
        found = [values[series] for values in self.values[max(start, 0) : end + 1]]
        return sum(found, Decimal(0)) / len(found) if len(found) >= history.least else None

    @cached_property
    def bad(self) -> list[list[int]]:
        """Which series are bad at each evaluation."""
        kind = self.alert.kind
        return [
            [index for index, value in enumerate(values) if kind.holds(value, self._world(now, index))]
            for now, values in enumerate(self.values)
        ]

    @cached_property
    def states(self) -> list[State]:
        spec = self.alert.spec
        least = self.alert.several.least if self.alert.several else 1
        held = [len(bad) >= least for bad in self.bad]
        if spec.breaches:
            held = breached(held, spec.breaches.atLeast, spec.breaches.ofLast)
        return states(held, self.interval, spec.for_, spec.keepFiringFor)

    def as_data(self) -> dict[str, Any]:
        checks = [self._check(now) for now in self._moments()]
        inside, beyond = number(self.probe.inside), number(self.probe.beyond)
        told = [f"quiet at {inside}"] * self.quiet + [f"fires at {beyond}"] * self.fires
        shown = f"{self.alert.rule.name}: {', '.join(told)}"
        if self.alert.kind.histories():
            shown += f", its past being {number(self.probe.healthy)}"
        if self.probe.world.reference is not None:
            shown += f", the reference being {number(self.probe.world.reference)}"
        return {
            "interval": str(self.interval),
            "name": shown,
            "input_series": [series.as_data() for series in self._input()],
            "alert_rule_test": checks,
        }

    def _moments(self) -> list[int]:
        """The last evaluation of each phase, and both sides of every change."""
        moments: set[int] = set()
        end = 0
        for phase in self.phases:
            end += phase.count
            moments.add(end - 1)
        firing = [state.firing for state in self.states]
        for now in range(1, len(firing)):
            if firing[now] != firing[now - 1]:
                moments |= {now - 1, now}
        return sorted(moments)

    @cached_property
    def is_as_meant(self) -> bool:
        """Whether only the last incident raises the alert, and recovery ends it."""
        firing = [state.firing for state in self.states]
        if not self.fires:
            return not any(firing)
        beyond = sum(phase.count for phase in self.phases[:-2])
        return not any(firing[:beyond]) and any(firing[beyond:]) and not firing[-1]

    def _check(self, now: int) -> dict[str, Any]:
        state = self.states[now]
        expected = []
        if state.firing:
            assert state.since is not None
            expected.append(self._expected(state.since))
        return alert_test(now, self.interval, self.alert.rule.name, expected)

    def _expected(self, now: int) -> dict[str, Any]:
        rule, values, bad = self.alert.rule, self.values[now], self.bad[now]
        world = self._world(now, 0)
        looked_up: dict[str, float | None] = {name: float(value) for name, value in world.past.items()}
        for leg in self.alert.kind.legs():
            if isinstance(leg, Reference) and world.reference is not None:
                looked_up[leg.record.name] = float(world.reference)
        value = float(len(bad)) if self.alert.several else float(values[0])
        members = [(self._labels(index), float(values[index])) for index in bad]
        firing = Firing(self._labels(0), value, looked_up, members)
        kept = {label: self._labels(0)[label] for label in rule.series_labels}
        return {
            "exp_labels": {**kept, **rule.labels},
            "exp_annotations": {name: text.render(firing) for name, text in rule.annotations.items()},
        }

    def _labels(self, index: int) -> dict[str, str]:
        """The labels of a recorded series."""
        series = self.alert.series
        varying = {label: f"{label}_{index + 1}" for label in series.entities}
        version = {"version": "1"} if "version" in series.varying else {}
        return {**series.fixed, **version, **varying}

    def _input(self) -> Iterator[InputSeries]:
        series = self.alert.series
        for index in range(self.size):
            values = [values[index] for values in self.values]
            labels = {**series.example, **self._labels(index)}
            if isinstance(series, QuerySeries):
                # What its record is made from is tested apart, where it can be.
                yield InputSeries(series.record, {**labels, SLO: series.slo}, list(values))
            else:
                yield from self._replicas(labels, values)
                yield from self._decoys(labels)
            for history in self.given:
                past = {label: self._labels(index).get(label, "") for label in series.past_labels}
                yield InputSeries(
                    history.record.name,
                    {**past, "slo": series.slo},
                    [self.probe.healthy] * len(self.values),
                )
        yield from self._references()

    def _replicas(self, labels: Mapping[str, str], values: list[Decimal]) -> Iterator[InputSeries]:
        """Two pods: halves of a sum (of two versions), or a bad one beside a healthy one."""
        series = self.alert.series
        name = series.metric.name
        if series.aggregation == "sum":
            version = "version" in series.metric.labels
            for pod in ("1", "2"):
                own = {"version": pod} if version else {}
                halves: list[Sample] = [value / 2 for value in values]
                yield InputSeries(name, self._scraped(labels, pod) | own, halves)
            return
        healthy = self.probe.healthy
        masked = any(series.worst((value, healthy)) != value for value in values)
        version_label = {"version": "1"} if "version" in series.metric.labels else {}
        first = {**version_label, **self._scraped(labels, "1")}
        second = {**version_label, **self._scraped(labels, "2")}
        yield InputSeries(name, first, list(values))
        yield InputSeries(name, second, list(values) if masked else [healthy] * len(values))

    @staticmethod
    def _scraped(labels: Mapping[str, str], pod: str) -> dict[str, str]:
        return {**labels, "instance": f"10.0.0.{pod}:9847", "job": "mlslo", "pod": f"model-{pod}"}

    def _decoys(self, labels: Mapping[str, str]) -> Iterator[InputSeries]:
        """The same gauge, always bad, under other labels than the rule is about."""
        series = self.alert.series
        for change in decoys(series):
            decoy = {**self._scraped(labels, "1"), **change}
            yield InputSeries(series.metric.name, decoy, [self.probe.beyond] * len(self.values))

    def _references(self) -> Iterator[InputSeries]:
        reference = self.probe.world.reference
        if reference is None:
            return
        for leg in self.alert.kind.legs():
            if not isinstance(leg, Reference):
                continue
            named = self.alert.series.reference or "training"
            for index in range(self.size):
                labels = {label: self._labels(index).get(label, "") for label in leg.shared}
                count = len(self.values)
                own = {**labels, "reference": named}
                yield InputSeries(leg.metric.name, self._scraped(own, "1"), [reference] * count)
                # A second reference: ignored where one is named, else below the one that counts.
                other = {**labels, "reference": f"{named}-other"}
                value = reference - nearby(reference)
                if self.alert.series.reference:
                    value = reference * 100
                yield InputSeries(leg.metric.name, self._scraped(other, "1"), [value] * count)
            return
