"""Everything that one ModelSLO file becomes, before any of it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from mlslo.yamlfile import Duration, Location
from rulegen.conditions.threshold import Limit
from rulegen.promql.conventions import MONITOR_SLO, AlertIdentity
from rulegen.promql.expressions import exact
from rulegen.promql.rules import AlertRule, Group, Record, Rule
from rulegen.sli import gauge, query_series
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.query_series import QuerySeries
from rulegen.slo import burn_rate, own_texts
from rulegen.slo.alerts import AlertBuilder, GaugeAlert, gauge_alert
from rulegen.slo.budget import Budget, burn_alert, burn_variables
from rulegen.slo.burn_rate import BurnWindow, Speed
from rulegen.slo.companions import (
    Companion,
    Dependencies,
    GroupCompanions,
    SloCompanion,
    group_companions,
    of_model,
    slo_companion,
)
from rulegen.slo.events import ErrorsSli, EventSli, GoodSli, LatencySli, NativeLatencySli, RatioSli
from rulegen.slo.own_texts import TextError, Variables, text_of
from rulegen.spec.model_slo import Alert, Alerting, ModelSlo, Slo
from rulegen.spec.routing import Routing
from rulegen.spec.time_windows import nominal


@dataclass(frozen=True, eq=False)
class SloPlan:
    """One SLO: what it measures, and the rules that follow from it."""

    slo: Slo
    series: GaugeSeries | None
    budget: Budget | None
    gauge_alerts: tuple[GaugeAlert, ...]
    burn_alerts: dict[Speed, AlertRule]
    companion: SloCompanion | None
    of_groups: GroupCompanions
    title: str

    @property
    def alerts(self) -> list[AlertRule]:
        """Its alerts, in the order of the group."""
        of_gauges = (alert.rule for alert in self.gauge_alerts)
        return [*self.burn_alerts.values(), *of_gauges, *self._companions]

    @property
    def _companions(self) -> list[AlertRule]:
        return [*([self.companion.rule] if self.companion else []), *self.of_groups.rules]

    @cached_property
    def group(self) -> Group:
        """All of its rules, called ``title``. Most runs need the alerts only."""
        rules: list[Rule] = []
        if self.series is not None:
            rules += [self.series.rule(), *_compared_with(self.gauge_alerts)]
        if self.budget is not None:
            rules += [*self.budget.records(), *self.burn_alerts.values()]
        for alert in self.gauge_alerts:
            rules += [*alert.records, alert.rule]
        rules += self._companions
        return Group(self.title, rules)

    @property
    def can_be_given(self) -> bool:
        """Whether a test can say what its record is: not, where the rules make one of nothing."""
        return not (isinstance(self.series, QuerySeries) and self.series.always_there)


@dataclass(frozen=True)
class Plan:
    """One ModelSLO file: its SLOs, and the alerts about its monitor."""

    file: ModelSlo
    slos: tuple[SloPlan, ...]
    monitor: Group | None
    companions: tuple[Companion, ...]

    @property
    def groups(self) -> list[Group]:
        return [*(slo.group for slo in self.slos), *([self.monitor] if self.monitor else [])]

    @property
    def alerts(self) -> list[AlertRule]:
        of_slos = [alert for slo in self.slos for alert in slo.alerts]
        return [*of_slos, *(self.monitor.alerts if self.monitor else [])]

    @property
    def identities(self) -> list[AlertIdentity]:
        """What routing knows of each alert."""
        return [alert.identity for alert in self.alerts]


def make_plan(file: ModelSlo, routing: Routing) -> Plan:
    """Lower a file that has been checked."""
    build, dependencies = AlertBuilder(file, routing), Dependencies.of(file)
    slos = tuple(_slo_plan(build, slo, dependencies) for slo in file.spec.slos)
    companions = tuple(of_model(build, dependencies))
    rules: list[Rule] = []
    for companion in companions:
        rules += [*companion.records, companion.rule]
    monitor = Group(f"{file.name}-{MONITOR_SLO}", rules) if rules else None
    return Plan(file, slos, monitor, companions)


def _slo_plan(build: AlertBuilder, slo: Slo, dependencies: Dependencies) -> SloPlan:
    """Lower one SLO of a file. It depends on the others by ``dependencies`` only."""
    file = build.file
    series = _series(file.model, slo, build.routing.spec.evaluationInterval)
    alerts: tuple[GaugeAlert, ...] = ()
    if series is not None:
        alerts = tuple(gauge_alert(build, slo, series, alert) for alert in slo.alerts)
    sli = _event_sli(file, slo, series)
    budget = _budget(file, slo, sli) if sli is not None else None
    burn_alerts: dict[Speed, AlertRule] = {}
    if budget is not None:
        burn_alerts = {
            speed: burn_alert(build, slo, budget, speed)
            for speed in ("fast", "slow")
            if budget.pairs_of(speed)
        }
    measured = series.record if series else budget.errors(budget.windows[0]) if budget else ""
    companion = slo_companion(build, slo, measured, series, dependencies)
    of_groups = group_companions(build, slo, budget)
    return SloPlan(slo, series, budget, alerts, burn_alerts, companion, of_groups, f"{file.name}-{slo.name}")


def mistakes_in_texts(file: ModelSlo, routing: Routing, slo: Slo) -> Iterator[tuple[Location, TextError]]:
    """Yield the mistakes in the user's own texts of one SLO, whose other keys have been checked, with their places."""
    build = AlertBuilder(file, routing)
    series = _series(file.model, slo, routing.spec.evaluationInterval)
    for at, alert in slo.placed_alerts(()):
        if series is not None and (alert.summary or alert.description):
            kind = alert.when.lower(series)
            several = alert.when.series.lower(series, kind) if alert.when.series else None
            labels = build.labels(slo.name, slo.layer, alert.tier)
            yield from _mistakes(at, alert, own_texts.of_gauge(labels, series, kind, several))
    sli = _event_sli(file, slo, series)
    if slo.alerting is not None and sli is not None:
        budget = _budget(file, slo, sli)
        yield from _mistakes(("alerting",), slo.alerting, burn_variables(build, slo, budget, "fast"))


def _mistakes(
    at: Location, texts: Alert | Alerting, variables: Variables
) -> Iterator[tuple[Location, TextError]]:
    for key, text in (("summary", texts.summary), ("description", texts.description)):
        try:
            text_of(text or "", variables)
        except TextError as error:
            yield (*at, key), error


def _series(model: str, slo: Slo, interval: Duration) -> GaugeSeries | None:
    if slo.sli.gauge is not None:
        return gauge.of(model, slo.name, slo.sli.gauge, interval, looks_low=slo.looks_low)
    if slo.sli.promql is not None:
        return query_series.of(model, slo.name, slo.layer, slo.sli.promql, interval, looks_low=slo.looks_low)
    return None


def _compared_with(alerts: Sequence[GaugeAlert]) -> list[Record]:
    """The records of histories and references that conditions need, each once."""
    records: list[Record] = []
    for alert in alerts:
        records += [history.record for history in alert.kind.histories()]
        records += [record for leg in alert.kind.legs() for record in leg.references()]
    return list({(record.name, record.expression): record for record in records}.values())


def _event_sli(file: ModelSlo, slo: Slo, series: GaugeSeries | None) -> EventSli | None:
    groups = tuple(slo.groupBy)
    if slo.sli.errors is not None:
        return ErrorsSli(file.model, groups)
    if slo.sli.latency is not None:
        asked = slo.sli.latency
        if asked.native:
            labels = tuple(asked.labels.items())
            return NativeLatencySli(file.model, asked.below, groups, asked.metric, labels)
        return LatencySli(file.model, asked.below, groups)
    if slo.sli.ratio is not None:
        return RatioSli(slo.sli.ratio, groups)
    if slo.good is not None and series is not None:
        return GoodSli(series, Limit.of(series, slo.good))
    return None


def pairs_of(slo: Slo) -> list[BurnWindow]:
    """The burn-rate windows of an SLO: its own, or those for its time window. Raises ValueError."""
    assert slo.timeWindow is not None
    if slo.alerting is not None and slo.alerting.windows is not None:
        return [BurnWindow(exact(own.factor), own.short, own.long, own.burn) for own in slo.alerting.windows]
    return list(burn_rate.windows(nominal(slo.timeWindow)))


def _budget(file: ModelSlo, slo: Slo, sli: EventSli) -> Budget:
    assert slo.objective is not None
    assert slo.timeWindow is not None
    # A lint names the pairs that cannot fire.
    pairs, _ = burn_rate.that_can_fire(pairs_of(slo), slo.objective)
    alerting, share = slo.alerting or Alerting.model_validate({}), burn_rate.budget(slo.objective)
    return Budget(
        file.model,
        slo.name,
        exact(slo.objective),
        share,
        slo.timeWindow,
        tuple(pairs),
        alerting,
        sli,
        slo.maxGroups,
    )
