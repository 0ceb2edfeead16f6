"""A scenario, resolved against the specs: which labels fire when, by one clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlslo.yamlfile import InputError, Problem, did_you_mean, parse, quoted_list
from rulegen import alertmanager
from rulegen.alertmanager.matchers import parse_all
from rulegen.alertmanager.merge import Base, check
from rulegen.promql.conventions import MODEL, SEVERITY, SLO, WATCHDOG, WATCHDOG_IDENTITY
from rulegen.promql.rules import AlertRule
from rulegen.simulation.alert import Labels
from rulegen.simulation.alertmanagerfile import readable
from rulegen.simulation.configuration import Configuration
from rulegen.simulation.prometheus import Firing, Prometheus, Span
from rulegen.simulation.scenario import Alert, Moment, Scenario, Selection, in_zone
from rulegen.simulation.suppression import Silence
from rulegen.slo.plan import make_plan
from rulegen.spec.routing import Routing
from rulegen.spec.routing_names import ALL_LABELS
from rulegen.validation.specs import Specs

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Setup:
    """All that a simulation needs. Times in milliseconds after ``start``; ``alertmanager`` is its version."""

    scenario: Scenario
    start: datetime
    length: int
    configuration: Configuration
    prometheus: Prometheus
    firings: Sequence[Firing]
    unreachable: Sequence[Span]
    silences: Sequence[Silence]
    series_labels: frozenset[str]
    alertmanager: str

    def clock(self, moment: int) -> datetime:
        """Return the time that clocks in the scenario's zone show."""
        return (self.start + timedelta(milliseconds=moment)).astimezone(self.scenario.zone)

    def offset(self, moment: Moment) -> int:
        """A moment of the file, which was checked, as milliseconds after the start."""
        return _offset(self.scenario, self.start, moment)


def resolve(specs: Specs, scenario: Scenario, base: Base | None = None) -> Setup:
    """Check a scenario against the specs. Raises InputError, with a place for each problem.

    ``base`` is the alertmanager.yaml of others that our part is put into.
    """
    rules = [alert for model in specs.models for alert in make_plan(model, specs.routing).alerts]
    return _Resolver(specs.routing, rules, scenario, base).setup()


def configuration(routing: Routing, rules: Sequence[AlertRule], base: Base | None) -> Configuration:
    """As `generate` writes it, but for what acts on alerts: who is notified is asked."""
    routing = routing.without_actions()
    alerts = [rule.identity for rule in rules]
    ours = alertmanager.build(routing, alerts)
    if base is None:
        return Configuration.of(ours)
    ours = {**ours, "route": alertmanager.guarded_route(routing.spec, alerts)}
    readable(base.document, ours)
    merged = parse(base.document.path, base.merged(check(base, ours), "").removeprefix("\ufeff"))
    return Configuration.of(readable(merged))


def _offset(scenario: Scenario, start: datetime, moment: Moment) -> int:
    if moment.after is not None:
        return moment.after
    return round((in_zone(moment.time, scenario.zone).astimezone(UTC) - start).total_seconds() * 1000)


class _Resolver:
    def __init__(
        self, routing: Routing, rules: Sequence[AlertRule], scenario: Scenario, base: Base | None
    ) -> None:
        self.routing = routing
        self.configuration = configuration(routing, rules, base)
        self.rules = rules
        self.scenario = scenario
        self.spec = scenario.spec
        self.document = scenario.document
        self.length = round(self.spec.length.seconds * 1000)
        self.problems: list[Problem] = []

    def setup(self) -> Setup:
        try:
            self.start = in_zone(self.spec.start.time, self.scenario.zone).astimezone(UTC)
        except ValueError as error:
            raise self.document.error(("spec", "start"), str(error)) from None
        spans: dict[Labels, list[Span]] = {}
        for index, alert in enumerate(self.spec.alerts):
            self._alert(alert, ("spec", "alerts", index), spans)
        unreachable = [
            self._span(span.from_, span.until, ("spec", "unreachable", index))
            for index, span in enumerate(self.spec.unreachable)
        ]
        silences = [
            Silence(parse_all(silence.matchers), *self._span(silence.from_, silence.until, at))
            for index, silence in enumerate(self.spec.silences)
            for at in [("spec", "silences", index)]
        ]
        self._silenced_labels()
        self._expectations()
        if self.problems:
            raise InputError(self.problems)
        if self.routing.spec.watchdog is not None:
            labels = {"alertname": WATCHDOG, SEVERITY: WATCHDOG_IDENTITY.labels[SEVERITY]}
            spans.setdefault(Labels(labels), [(0, self.length)])
        interval = round(self.routing.spec.evaluationInterval.seconds * 1000)
        return Setup(
            self.scenario,
            self.start,
            self.length,
            self.configuration,
            Prometheus(interval),
            [Firing(labels, _united(found)) for labels, found in spans.items()],
            unreachable,
            silences,
            frozenset(label for rule in self.rules for label in rule.series_labels),
            self.routing.spec.target.newest_alertmanager,
        )

    def _problem(self, at: Location, message: str) -> None:
        self.problems.append(self.document.problem(at, message))

    def _moment(self, moment: Moment, at: Location) -> int:
        try:
            offset = _offset(self.scenario, self.start, moment)
        except ValueError as error:
            self._problem(at, str(error))
            return 0
        if offset < 0:
            self._problem(at, "this is before the start of the scenario")
        if offset > self.length:
            self._problem(at, f"this is after the end of the scenario, which is {self.spec.length} long")
        return offset

    def _span(self, begin: Moment, end: Moment | None, at: Location) -> Span:
        until = self.length if end is None else self._moment(end, (*at, "until"))
        span = self._moment(begin, (*at, "from")), until
        if span[0] >= span[1]:
            self._problem((*at, "until"), "expected a time after that of 'from'")
        return span

    def _alert(self, alert: Alert, at: Location, spans: dict[Labels, list[Span]]) -> None:
        rule = self._rule(alert, at)
        span = self._span(alert.from_, alert.until, at)
        gaps = [
            self._span(gap.from_, gap.until, (*at, "gaps", index)) for index, gap in enumerate(alert.gaps)
        ]
        for index, (begin, end) in enumerate(gaps):
            if not span[0] < begin <= end < span[1]:
                self._problem((*at, "gaps", index), "expected a gap within the time that the alert fires")
        if rule is None:
            return
        for label in alert.labels:
            if label not in rule.series_labels:
                expected = (
                    f"expected one of {quoted_list(rule.series_labels)}"
                    if rule.series_labels
                    else "it has none"
                )
                near = did_you_mean(label, rule.series_labels)
                message = f"no label '{label}' comes with the series of {rule.name}, {expected}{near}"
                self._problem((*at, "labels", label), message)
        for label, use in self._used():
            if label in rule.series_labels and label not in alert.labels:
                self._problem(at, f"{use} the label '{label}': say which under labels")
        for label in rule.groups:
            if label in rule.series_labels and label not in {*alert.labels, *dict(self._used())}:
                self._problem(at, f"there is an alert for each '{label}': say which under labels")
        labels = Labels({"alertname": rule.name, **rule.labels, **alert.labels})
        spans.setdefault(labels, []).extend(_with_gaps(span, sorted(gaps), rule))

    def _used(self) -> Iterator[tuple[str, str]]:
        """Labels that what is told depends on, each with who goes by it."""
        spec = self.routing.spec
        grouped: Iterable[str] = spec.groupBy
        if ALL_LABELS in spec.groupBy:
            grouped = (label for rule in self.rules for label in rule.series_labels)
        used = dict.fromkeys(grouped, "groupBy goes by")
        used |= {label: "inhibit goes by" for inhibit in spec.inhibit for label in inhibit.equal}
        used |= {
            matcher.label: "a silence goes by"
            for silence in self.spec.silences
            for matcher in parse_all(silence.matchers)
        }
        yield from used.items()

    def _rule(self, alert: Alert, at: Location) -> AlertRule | None:
        """The one rule that is meant."""
        names = list(dict.fromkeys(rule.name for rule in self.rules))
        found = [rule for rule in self.rules if rule.name == alert.alert]
        if alert.alert == WATCHDOG:
            self._problem((*at, "alert"), "the watchdog always fires, it need not be listed")
            return None
        if not found:
            message = f"no alert '{alert.alert}' in the specs, expected one of {quoted_list(names)}"
            self._problem((*at, "alert"), message + did_you_mean(alert.alert, names))
            return None
        for key, wanted in ((MODEL, alert.model), (SLO, alert.slo)):
            if wanted is None:
                continue
            known = list(dict.fromkeys(rule.labels.get(key, "") for rule in found))
            found = [rule for rule in found if rule.labels.get(key) == wanted]
            if not found:
                message = (
                    f"{alert.alert} is not of the {key} '{wanted}', expected one of {quoted_list(known)}"
                )
                self._problem((*at, key), message + did_you_mean(wanted, known))
                return None
        if len(found) > 1:
            which = quoted_list(f"{rule.labels.get(MODEL)} {rule.labels.get(SLO)}" for rule in found)
            message = f"{alert.alert} is of several SLOs ({which}): say which with model and slo"
            self._problem((*at, "alert"), message)
            return None
        return found[0]

    def _silenced_labels(self) -> None:
        known = {"alertname"} | {
            label for rule in self.rules for label in (*rule.labels, *rule.series_labels)
        }
        for index, silence in enumerate(self.spec.silences):
            for number, text in enumerate(silence.matchers):
                for matcher in parse_all([text]):
                    if matcher.label not in known:
                        at: Location = ("spec", "silences", index, "matchers", number)
                        message = f"no alert of the specs has the label '{matcher.label}'"
                        self._problem(at, message + did_you_mean(matcher.label, known))

    def _expectations(self) -> None:
        expect = self.spec.expect
        groups: Sequence[tuple[str, Iterable[Selection]]] = (
            ("notified", expect.notified),
            ("notNotified", expect.notNotified),
            ("heldBack", expect.heldBack),
        )
        known = {
            "receiver": list(self.configuration.receivers),
            "alert": [WATCHDOG, *dict.fromkeys(rule.name for rule in self.rules)],
            "model": list(dict.fromkeys(rule.labels.get(MODEL, "") for rule in self.rules)),
            "slo": list(dict.fromkeys(rule.labels.get(SLO, "") for rule in self.rules)),
        }
        for kind, selections in groups:
            for index, selection in enumerate(selections):
                at: Location = ("spec", "expect", kind, index)
                for key, names in known.items():
                    name = getattr(selection, key)
                    if name is not None and name not in names:
                        message = f"no {key} '{name}' in the specs, expected one of {quoted_list(names)}"
                        self._problem((*at, key), message + did_you_mean(name, names))
                begin = 0 if selection.from_ is None else self._moment(selection.from_, (*at, "from"))
                end = (
                    self.length if selection.until is None else self._moment(selection.until, (*at, "until"))
                )
                if begin > end:
                    self._problem((*at, "until"), "expected a time after that of 'from'")


def _with_gaps(span: Span, gaps: Sequence[Span], rule: AlertRule) -> list[Span]:
    """Return the spans in which an alert fires whose series has gaps."""
    begin, end = span
    waits = round(rule.for_.seconds * 1000) if rule.for_ else 0
    kept = round(rule.keep_firing_for.seconds * 1000) if rule.keep_firing_for else 0
    found: list[Span] = []
    for gap, back in gaps:
        if back - gap <= kept:
            continue
        if begin < gap:
            found.append((begin, min(gap + kept, end)))
        begin = back + waits
    return [*found, (begin, end)] if begin < end else found


def _united(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that touch or overlap made one."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            begin, end = found[-1][0], max(end, found.pop()[1])
        found.append((begin, end))
    return found
