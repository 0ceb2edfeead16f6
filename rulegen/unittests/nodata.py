"""Cases of the alerts that SLOs are not measured: one for all of a file, and what ends them for the first of a kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Firing
from rulegen.promql.conventions import NO_DATA, SLO
from rulegen.promql.expressions import selector
from rulegen.slo.companions import SloCompanion
from rulegen.slo.plan import Plan
from rulegen.unittests.case import GONE, NAN, Case, First, Series, evaluations, lifetime
from rulegen.unittests.expected import states
from rulegen.unittests.groups import example
from rulegen.unittests.scraped import Pods

_UP, _DOWN = Decimal(1), Decimal(0)
_LOWEST = Decimal("-Infinity")


def cases(plan: Plan, interval: Duration, first: First) -> list[Case]:
    """Return the cases of all SLOs that have such an alert."""
    companions = {
        slo.slo.name: slo.companion for slo in plan.slos if slo.companion is not None and slo.can_be_given
    }
    if not companions:
        return []
    tested = _Tested(plan, interval, companions)
    found = [tested.fires(), tested.measured()]
    name, one = next(iter(companions.items()))
    if first(lifetime(one.rule, "absence")):
        found += tested.life(name, one)
    return [*found, *tested.causes()]


@dataclass(frozen=True)
class _Tested:
    """The alerts of a file, by their SLOs."""

    plan: Plan
    interval: Duration
    companions: dict[str, SloCompanion]

    @property
    def pods(self) -> Pods:
        return Pods(self.plan.file.model, self.interval)

    def _labels(self, name: str) -> dict[str, str]:
        """The labels of what an SLO records."""
        return {**self.plan.file.labels(name), **example(self.companions[name].groups)}

    def fires(self) -> Case:
        """No SLO is measured, while another model is, and another SLO with the same records; then its monitor stops."""
        waits = [evaluations(one.demand.after, self.interval) for one in self.companions.values()]
        last = max(waits)
        case = self._case("fires for each SLO once it has not been measured for its time", last + 1)
        case.series = [replace(one, samples=[*one.samples, GONE]) for one in case.series]
        for name, one in self.companions.items():
            own = Series(one.record, self._labels(name), [Decimal(0)] * (last + 1))
            case.series += own.of_others()
            if one.groups:
                # Events without a group.
                case.series.append(replace(own, labels=self.plan.file.labels(name)))
        case.series += self._others(last + 1)
        held = [[True] * (last + 1) + [not one.monitored] for one in self.companions.values()]
        self._expect(case, held, sorted({side for wait in waits for side in (wait - 1, wait)} - {-1, last}))
        case.fire(last, NO_DATA, [(one.rule, Firing({}, 1.0)) for one in self.companions.values()])
        self._expect(case, held, [last + 1])
        return case

    def _expect(self, case: Case, held: Sequence[Sequence[bool]], moments: Iterable[int]) -> None:
        """Expect what comes of each SLO's condition, ``held`` at each evaluation: one number, where it is the same."""
        found = {
            name: states(own, self.interval, one.rule.for_, None)
            for (name, one), own in zip(self.companions.items(), held, strict=True)
        }
        labels = {"alertname": NO_DATA}
        for now in moments:
            shown = {name: own[now] for name, own in found.items()}
            distinct = set(shown.values())
            if distinct == {None}:
                case.gives(now, selector("ALERTS", labels), [])
            elif len(distinct) == 1:
                state = distinct.pop() or ""
                query = f"count({selector('ALERTS', {**labels, 'alertstate': state})})"
                case.gives(now, query, [({}, Decimal(len(shown)))])
            else:
                query = f"count by ({SLO}, alertstate) ({selector('ALERTS', labels)})"
                counts = [({SLO: name, "alertstate": state}, _UP) for name, state in shown.items() if state]
                case.gives(now, query, counts)

    def _others(self, count: int) -> Iterator[Series]:
        """Another model works without labels and sinks."""
        pods, companions = self.pods, self.companions.values()
        if any(one.monitored for one in companions):
            yield pods.writer("a", [0.0] * count).of_another_model()
        if any(one.labels for one in companions):
            yield pods.labels("a", [1e9] * count).of_another_model()
        for sink in sorted({sink for one in companions for sink in one.sinks}):
            yield pods.sink("a", sink, [_DOWN] * count).of_another_model()

    def measured(self) -> Case:
        """Every SLO is measured, if at the lowest value there is."""
        case = self._case("stays quiet while SLOs are measured, at whatever value", 1)
        for name, one in self.companions.items():
            case.series.append(Series(one.record, self._labels(name), [_LOWEST]))
        case.gives(0, f"count by ({SLO}) ({selector('ALERTS', {'alertname': NO_DATA})})", [])
        return case

    def life(self, name: str, one: SloCompanion) -> Iterator[Case]:
        """An SLO that is measured again, or for one evaluation, or is NaN."""
        wait = evaluations(one.demand.after, self.interval)
        record = self._labels(name)
        gone = [GONE] * (wait + 1)
        anew = {0: "pending", 1: None, wait + 1: "pending", wait + 2: "firing"}
        for what, samples, shown in (
            ("resolves when it is measured again", [*gone, _DOWN], {wait: "firing", wait + 1: None}),
            ("begins anew after an evaluation with data", [GONE, _DOWN, *gone], anew),
            ("takes NaN for no data", [_DOWN, NAN], {0: None, 1: "pending"}),
            ("begins when the series ends", [_DOWN, GONE], {0: None, 1: "pending"}),
        ):
            if not wait and "pending" in shown.values():
                continue
            case = self._case(f"for {name} {what}", len(samples))
            case.series.append(Series(one.record, record, samples))
            for now, state in shown.items():
                case.shows(now, one.rule, state)
            yield case

    def causes(self) -> Iterator[Case]:
        """Nothing is measured for a reason that has an alert of its own: nearly, and then so."""
        pods, companions = self.pods, list(self.companions.values())
        late = _around(one.demand.after.seconds for one in companions if one.monitored)
        if late:
            other = pods.writer("b", [0.0] * len(late))
            series = [pods.writer("a", late), other, other.of_another_model()]
            held = [
                [not one.monitored or age <= one.demand.after.seconds for age in late] for one in companions
            ]
            yield self._left("that the monitor stopped", series, held)
        old = _around(one.labels.seconds for one in companions if one.labels)
        if old:
            series = [pods.writer(pod, [0.0] * len(old)) for pod in ("a", "b")]
            series += [pods.labels("a", old), pods.labels("b", [age + 9 for age in old])]
            held = [[one.labels is None or age <= one.labels.seconds for age in old] for one in companions]
            yield self._left("that labels stopped", series, held)
        for sink in sorted({sink for one in companions for sink in one.sinks}):
            series = [
                pods.writer("a", [0.0, 0.0]),
                pods.sink("a", sink, [_UP, _DOWN]),
                pods.sink("b", sink, [_DOWN, _DOWN]),
            ]
            held = [[True, sink not in one.sinks] for one in companions]
            yield self._left(f"that no pod can read its sink of {sink}", series, held)

    def _left(self, what: str, series: list[Series], held: Sequence[Sequence[bool]]) -> Case:
        case = Case(f"{NO_DATA}: leaves it to the alert {what}", self.interval, series)
        self._expect(case, held, range(len(held[0])))
        return case

    def _case(self, what: str, count: int) -> Case:
        """A case in which the monitor is alive."""
        case = Case(f"{NO_DATA}: {what}", self.interval, [])
        if any(one.monitored for one in self.companions.values()):
            case.series.append(self.pods.writer("a", [0.0] * count))
        return case


def _around(limits: Iterable[float]) -> list[float]:
    """Each limit, and a second more."""
    return [age for limit in sorted(set(limits)) for age in (limit, limit + 1)]
