"""Cases of alerts on gauges: quiet just inside, fires just beyond, and what ends or interrupts it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from rulegen.conditions import Kind, Limit
from rulegen.conditions.beyond_noise import BeyondNoise
from rulegen.conditions.reference import Reference
from rulegen.promql.annotations import Firing
from rulegen.promql.conventions import SLO
from rulegen.promql.expressions import number
from rulegen.slo.alerts import GaugeAlert
from rulegen.spec.lint_names import Name
from rulegen.unittests.case import GONE, MISSED, NAN, Case, First, Sample, Series, evaluations, lifetime
from rulegen.unittests.expected import Course, Scrapes, baselines, sides_of_changes
from rulegen.unittests.probes import Probe, probes, unusable
from rulegen.unittests.scraped import errors, labels_of, labels_of_history, scraped

# Prometheus looks this far back for the sample of a series that was not scraped.
_LOOKBACK = 300.0
Missing = list[tuple[Name, str]]


def cases(alert: GaugeAlert, first: First) -> tuple[list[Case], Missing]:
    """Return the cases of one alert, and what could not be tested.

    Each condition inside it is tried on both sides of its limit.
    """
    found, undecided = probes(alert.kind)
    missing: Missing = [
        ("not-tested", f"no value of the gauge makes '{_said(leg)}' decide, it is not tested alone")
        for leg in undecided
    ]
    built: list[Case | None] = []
    for index, probe in enumerate(found):
        tested = _Tested(alert, probe, missing, main=not index)
        quiet, fires = tested.quiet(), tested.fires()
        built += [quiet, fires]
        built += tested.whole(first) if fires and not index else ()
    built += [_Tested(alert, probe, missing, main=False).quiet() for probe in unusable(alert.kind)]
    return [case for case in built if case is not None], list(dict.fromkeys(missing))


def _said(leg: Kind) -> str:
    return leg.phrase(values=False).template()


@dataclass(frozen=True)
class _Tested:
    """An alert and the values that it is tried with. ``main``: the first of them, which its names need not tell."""

    alert: GaugeAlert
    probe: Probe
    missing: Missing
    main: bool

    @cached_property
    def _sizes(self) -> tuple[int, int]:
        """The number of series that must be bad, and of all."""
        return self.alert.several.example() if self.alert.several else (1, 1)

    @cached_property
    def _breaches(self) -> tuple[int, int]:
        spec = self.alert.spec.breaches
        return (spec.atLeast, spec.ofLast) if spec else (1, 1)

    @property
    def _wait(self) -> int:
        return evaluations(self.alert.spec.for_, self.alert.series.interval)

    @property
    def _keep(self) -> int:
        return evaluations(self.alert.spec.keepFiringFor, self.alert.series.interval)

    @property
    def _until(self) -> int:
        """The number of bad evaluations until it fires."""
        return self._breaches[0] + self._wait

    def _all(self, value: Sample) -> Scrapes:
        return (value,) * self._sizes[1]

    def _some(self, value: Sample, count: int) -> Scrapes:
        return (value,) * count + (self.probe.healthy,) * (self._sizes[1] - count)

    @property
    def _bad(self) -> Scrapes:
        return self._some(self.probe.beyond, self._sizes[0])

    @property
    def _healthy(self) -> Scrapes:
        return self._all(self.probe.healthy)

    @property
    def _where(self) -> str:
        """The past, the reference and the noise that the gauge is compared with, as part of a name."""
        said = [f"its past {number(self.probe.healthy)}"] if self.alert.kind.histories() else []
        if self.probe.world.reference is not None:
            said.append(f"the reference {number(self.probe.world.reference)}")
        if self._errors:
            error = self.probe.world.error
            said.append("no standard error" if error is None else f"a standard error of {number(error)}")
        return "".join(f", {one}" for one in said)

    def quiet(self) -> Case | None:
        """Build the case just inside: not even pending."""
        inside = self._some(self.probe.inside, self._sizes[0])
        name = f"stays quiet at {number(self.probe.inside)}{self._where}"
        case = self._case(name, [inside] * self._breaches[0], self._breaches[0] - 1, (None, None))
        if case and self.alert.records and self.main:
            series, several = self.alert.series, self.alert.several
            kept = several.labels if several else series.labels
            labels = {label: value for label, value in labels_of(series).items() if label in kept}
            recorded = f"{series.select(self.alert.records[0].name)} + 0"
            case.gives(0, recorded, [({**labels, SLO: series.slo}, Decimal(0))])
        return case

    def fires(self) -> Case | None:
        """Build the case just beyond: the evaluation before it fires, and that, with all labels and texts."""
        least, last = self._breaches
        spec = self.alert.spec
        how = [f"after {least} of {last} evaluations"] if spec.breaches else []
        how += [f"after {spec.for_}"] if spec.for_ else []
        phrase = _said(self.alert.kind)
        if self.alert.several:
            phrase = f"with {self._sizes[0]} of {self._sizes[1]} series {phrase}"
        name = f"fires {' and '.join(how) or 'at once'}"
        if not (self.main and type(self.alert.kind) is Limit):
            name += f" at {number(self.probe.beyond)}{self._where}"
            phrase = f"({phrase})"
        name += f" {phrase}" if self.main else ""
        return self._case(name, [self._bad] * self._until, self._until - 1, (None, "firing"))

    def whole(self, first: First) -> Iterator[Case | None]:
        """Build the cases in which too little is bad, and for the first of a kind those of what ends it."""
        least, last = self._breaches
        beyond = number(self.probe.beyond)
        if self._sizes[0] > 1:
            few = self._some(self.probe.beyond, self._sizes[0] - 1)
            name = f"stays quiet with {self._sizes[0] - 1} of {self._sizes[1]} series at {beyond}"
            yield self._case(name, [few] * least, least - 1, (None, None))
        if least > 1 and first(f"{least} of {last}"):
            spread = [self._bad, *[self._healthy] * (last - least + 1), *[self._bad] * (least - 1)]
            name = f"stays quiet with {least - 1} of {last} evaluations at {beyond}"
            yield self._case(name, spread, 1, (None, None))
        if 2 * self.alert.series.interval.seconds < _LOOKBACK and first("missed scrape"):
            missed: Scrapes = (MISSED,) * self._sizes[1]
            scrapes = [*[self._bad] * least, missed, *[self._bad] * max(self._until - least - 1, 1)]
            yield self._case("survives a missed scrape", scrapes, least, (self._active, "firing"))
        trend = any(one.of_version for one in self.alert.kind.histories())
        counts = "breaches" * (self.alert.spec.breaches is not None)
        if first(lifetime(self.alert.rule, counts)):
            yield from self._ends()
        if first(f"lost {counts} {'trend' * trend}"):
            yield from self._lost()

    @property
    def _active(self) -> str:
        """The state of the alert as soon as its condition holds."""
        return "pending" if self._wait else "firing"

    def _ends(self) -> Iterator[Case | None]:
        least, last = self._breaches
        begins, firing, gone = [self._bad] * least, [self._bad] * self._until, self._all(GONE)
        when = f"{self.alert.spec.keepFiringFor} after" if self._keep else "when"
        healthy = [self._healthy] * (self._keep + last + 1)
        name = f"resolves {when} it is back at {number(self.probe.healthy)}"
        yield self._case(name, firing + healthy, len(firing), ("firing", None))
        if self._keep > 1:
            name = "goes on firing through an evaluation without data"
            yield self._case(name, [*firing, gone, self._bad], len(firing), ("firing", "firing"))
        else:
            name = "begins anew after an evaluation without data"
            yield self._case(name, [*begins, gone, *firing], least, (self._active, "firing"))

    def _lost(self) -> Iterator[Case | None]:
        least, last = self._breaches
        calm = self._keep if not self._wait else 0
        begins, ends = [self._bad] * least, (self._active, None)
        nan, gone = [self._all(NAN)] * (last + calm), [self._all(GONE)] * (calm + 2)
        yield self._case("is not bad while it is NaN", begins + nan, least, ends)
        yield self._case("ends where its series end", begins + gone, least, ends)

    def _case(
        self, what: str, scrapes: Sequence[Scrapes], since: int, ends: tuple[str | None, str | None]
    ) -> Case | None:
        """Build a case, or say why there is none.

        Checked are both sides of every change from the evaluation ``since`` on. ``ends``: the state before that, and
        that at the end; all labels and texts, where it fires for the first time.
        """
        alert = self.alert
        texts = ends == (None, "firing")
        # Two pods, of which the worst counts; what is added up is told apart by both cases alike.
        pods = texts or (ends == (None, None) and alert.series.metric.additive)
        given, lead, possible = baselines(alert, len(scrapes))
        # A step is a steep trend: what is quiet must have been so from the beginning.
        trend = ends == (None, None) and any(one.of_version for one in alert.kind.histories())
        start = [scrapes[0] if trend else self._healthy] * lead
        since += len(start)
        course = Course(alert, self.probe, given, [*start, *scrapes])
        states = course.states
        other = Course(alert, self.probe, given, course.scrapes, edge=False)
        early = states[:since] if ends == (None, None) else states[: len(start)]
        sure = possible and states == other.states and not any(early)
        if sure and texts and "firing" not in states:
            self.missing.append(self._too_short())
            return None
        if not sure or not _is_meant(states[:since], states[since:], ends):
            said = f"the case '{what}' is not tested: its baseline moves too soon"
            self.missing.append(("not-tested", said))
            return None
        last = len(states) - 1
        if ends[0] and ends[1] is None:
            last = next(now for now in range(since, len(states)) if states[now] is None)
        series = list(self._series(course, last, pods=pods))
        case = Case(f"{alert.rule.name}: {what}", alert.series.interval, series)
        first = {since - 1, since} if ends[0] else set()
        for now in sorted({last, *first, *sides_of_changes(states[: last + 1], since)}):
            if now == last and texts and self._firing(course, now) == self._firing(other, now):
                case.fires(now, alert.rule, self._firing(course, now))
            else:
                case.shows(now, alert.rule, states[now])
        return case

    def _too_short(self) -> tuple[Name, str]:
        values = f"from {number(self.probe.healthy)} to {number(self.probe.beyond)}"
        return "baseline-too-short", (
            f"a lasting drop or change {values} does not fire: the baseline takes it in before it has lasted long "
            "enough"
        )

    def _series(self, course: Course, last: int, *, pods: bool) -> Iterator[Series]:
        """Yield the scraped series until the evaluation ``last``, and the records that are given."""
        series = self.alert.series
        for index in range(self._sizes[1]):
            labels = labels_of(series, index)
            column = [scrape[index] for scrape in course.scrapes[: last + 1]]
            healthy = self.probe.healthy if pods and not index else None
            yield from scraped(series, labels, column, healthy)
            if self.probe.world.error is not None:
                for noisy in self._errors:
                    yield errors(noisy, labels, self.probe.world.error, last + 1)
            for history in course.given:
                given = [course.given_past(history, now, index) for now in range(last + 1)]
                yield Series(history.record.name, labels_of_history(series, history, index), given)
            for leg in self._references:
                own = {label: labels[label] for label in leg.shared}
                for name, value in self._of_references():
                    yield Series(leg.metric.name, {**own, "reference": name}, [value] * (last + 1))

    @property
    def _errors(self) -> list[BeyondNoise]:
        """The conditions that look at the standard error, which all is one."""
        return [leg for leg in self.alert.kind.legs() if isinstance(leg, BeyondNoise)][:1]

    @property
    def _references(self) -> list[Reference]:
        return [leg for leg in self.alert.kind.legs() if isinstance(leg, Reference)]

    def _of_references(self) -> list[tuple[str, Decimal]]:
        """The figure of the reference; where none is named, one beside it that decides nothing."""
        named, value = self.alert.series.reference, self.probe.world.reference
        assert value is not None
        sides = {leg.below for leg in self._references}
        if named or len(sides) > 1:
            return [(named or "validation", value)]
        return [("validation", value), ("training", value * 2 if True in sides else value / 2)]

    def _firing(self, course: Course, now: int) -> Firing:
        """Return the values that its texts show at an evaluation."""
        alert, values, bad = self.alert, course.values[now], course.bad[now]
        looked_up: dict[str, float | None] = {
            name: float(value) for name, value in course.past(now, 0).items()
        }
        reference = self.probe.world.reference
        if reference is not None:
            looked_up |= {leg.record.name: float(reference) for leg in self._references}
        if self.probe.world.error is not None:
            looked_up |= {leg.record.name: float(self.probe.world.error) for leg in self._errors}
        known = [float("nan") if value is None else float(value) for value in values]
        value = alert.several.value(len(bad), len(values)) if alert.several else known[0]
        members = [(labels_of(alert.series, index), known[index]) for index in bad]
        return Firing(labels_of(alert.series), value, looked_up, members)


def _is_meant(
    before: Sequence[str | None], after: Sequence[str | None], ends: tuple[str | None, str | None]
) -> bool:
    if ends == (None, None):
        return not any(after)
    begins = ends[0] is None or (bool(before) and before[-1] == ends[0])
    return begins and (None in after if ends[1] is None else after[-1] == ends[1])
