"""Alerts on conditions of gauges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlslo.yamlfile import Duration
from rulegen.conditions import Kind
from rulegen.conditions.series_count import Several
from rulegen.promql.annotations import Label, Members, Part, Text, Value, format_of
from rulegen.promql.conventions import LAYER, MODEL, NAMESPACE, SEVERITY, SLO, TIER, breach_record
from rulegen.promql.expressions import block, number, selector
from rulegen.promql.rules import AlertRule, Record
from rulegen.sli.gauge import GaugeSeries
from rulegen.slo import own_texts
from rulegen.slo.groups import group_name
from rulegen.slo.links import linked
from rulegen.slo.own_texts import text_of
from rulegen.spec.model_slo import Alert, Breaches, ModelSlo, Slo
from rulegen.spec.routing import Routing

# The annotation by which notifications say whose error budget it is.
GROUP = "group"


def namespace_label(routing: Routing) -> dict[str, str]:
    """The label that prometheus-operator routes by, where there is one."""
    operator = routing.spec.operator
    return {NAMESPACE: operator.namespace} if operator and operator.namespace else {}


@dataclass(frozen=True)
class AlertBuilder:
    """Builds the alerts of one file."""

    file: ModelSlo
    routing: Routing

    def labels(self, slo: str, layer: str, tier: str) -> dict[str, str]:
        """Return the labels of an alert whose values are known."""
        return {
            MODEL: self.file.model,
            SLO: slo,
            LAYER: layer,
            TIER: tier,
            SEVERITY: self.routing.spec.tiers[tier].severity,
            **self.file.metadata.labels,
            **namespace_label(self.routing),
        }

    def alert(
        self,
        name: str,
        slo: str,
        layer: str,
        tier: str,
        expression: str,
        summary: Text,
        description: Text,
        *,
        for_: Duration | None = None,
        keep_firing_for: Duration | None = None,
        series_labels: Sequence[str] = (),
        groups: tuple[str, ...] = (),
        annotations: Mapping[str, str] | None = None,
    ) -> AlertRule:
        """Build one with its labels, annotations and links. ``annotations``: its own, beside the file's.

        ``groups``: the labels by which its SLO has an error budget each.
        """
        labels = self.labels(slo, layer, tier)
        given = {**self.file.metadata.annotations, **(annotations or {})}
        texts = {"summary": summary, "description": description}
        if groups and set(groups) <= set(series_labels):
            texts[GROUP] = group_name(groups)
        texts |= {key: Text.of(text) for key, text in given.items()}
        varying = tuple(label for label in series_labels if label not in labels)
        rule = AlertRule(name, expression, labels, texts, for_, keep_firing_for, varying, groups)
        return linked(self.file, self.routing, rule)


@dataclass(frozen=True)
class GaugeAlert:
    """An alert, and what it was made from."""

    series: GaugeSeries
    spec: Alert
    kind: Kind
    several: Several | None
    records: tuple[Record, ...]
    rule: AlertRule


def gauge_alert(build: AlertBuilder, slo: Slo, series: GaugeSeries, alert: Alert) -> GaugeAlert:
    """Lower one alert of a gauge SLO."""
    kind = alert.when.lower(series)
    several = alert.when.series.lower(series, kind) if alert.when.series else None
    expression = several.expression() if several else kind.expression()
    records: tuple[Record, ...] = ()
    if alert.breaches is not None:
        record, expression = _repeated(
            build.file.labels(slo.name), series, alert, alert.breaches, kind, several
        )
        records = (record,)
    texts = _Texts(series, alert, kind, several)
    variables = own_texts.of_gauge(build.labels(slo.name, slo.layer, alert.tier), series, kind, several)
    rule = build.alert(
        alert.name,
        slo.name,
        slo.layer,
        alert.tier,
        expression,
        text_of(alert.summary, variables) if alert.summary else texts.summary(),
        text_of(alert.description, variables) if alert.description else texts.description(),
        for_=alert.for_,
        keep_firing_for=alert.keepFiringFor,
        series_labels=several.labels if several else (SLO, *series.labels),
        annotations=alert.annotations,
    )
    return GaugeAlert(series, alert, kind, several, records, rule)


def _repeated(
    labels: dict[str, str],
    series: GaugeSeries,
    alert: Alert,
    asked: Breaches,
    kind: Kind,
    several: Several | None,
) -> tuple[Record, str]:
    """The record of whether an evaluation was bad, 1 or 0, and the expression of an alert that counts them.

    Evaluations are counted, not scrapes: a range of ``ofLast`` intervals less a second has exactly so many of
    them, in Prometheus 2 and 3. NaN counts as 0.
    """
    if several:
        measured = f"{several.count()}\nor\n{several.zero()}"
        bad = f"{block(several.count())} >= bool {number(several.least)}\nor\n{several.zero()}"
    else:
        measured = series.expression
        bad = f"{block(kind.expression(valued=False))} >= bool -Inf\nor\n{block(measured)} > bool +Inf"
    record = Record(breach_record(alert.name), bad, {SLO: labels[SLO]})
    interval = series.interval.seconds
    window = Duration.of_seconds(asked.ofLast * interval - min(1.0, interval / 2))
    often = f"sum_over_time({selector(record.name, labels)}[{window}]) >= {asked.atLeast}"
    return record, f"{block(measured)}\nand\n{often}"


@dataclass(frozen=True)
class _Texts:
    """The texts of an alert on a gauge."""

    series: GaugeSeries
    alert: Alert
    kind: Kind
    several: Several | None

    def summary(self) -> Text:
        series = self.series
        start = f"{series.model} {series.slo}: "
        if self.several:
            which = "of the series" if self.several.relative else "series"
            count, of = Value(self.several.format), f" {which} of {series.title} are "
            limit = f", the limit is {self.several.limit}"
            return Text.of(start, count, of, self.kind.phrase(values=False), limit, *self._where())
        said: list[Part | Text] = [start, series.title, *self._which(), " is "]
        said += [Value(format_of(series.metric.unit)), self._now(), self.kind.phrase()]
        return Text.of(*said, *self._where())

    def description(self) -> Text:
        said: list[Part | Text] = [self.series.metric.help]
        if self.several:
            shown = format_of(self.series.metric.unit)
            same = tuple(label for label in self.series.varying if label == "version")
            members = Members(self.kind.expression(), self.series.entities, same, shown)
            said += [" Bad:", members, "."]
        said += [" ", self._lasting()]
        return Text.of(*said)

    def _now(self) -> str:
        """Return the text after "is 0.7": with several evaluations the last one may be a good one."""
        breaches = self.alert.breaches
        if breaches is None:
            return ", "
        return f"; in {breaches.atLeast} or more of the last {breaches.ofLast} evaluations it was "

    def _which(self) -> list[Part | Text]:
        """Name the series, of those that differ within a version."""
        others = ("model", "version", "window", "reference")
        return self._named(" of ", [label for label in self.series.labels if label not in others])

    def _where(self) -> list[Part | Text]:
        """Window, reference, version."""
        own = [label for label in ("window", "reference", "version") if label in self.series.labels]
        return [*self._named(" (", own), ")"] if own else []

    def _named(self, start: str, labels: Sequence[str]) -> list[Part | Text]:
        said: list[Part | Text] = []
        for label in labels:
            fixed = self.series.fixed.get(label)
            said += [start if not said else ", ", f"{label} ", Label(label) if fixed is None else fixed]
        return said

    def _lasting(self) -> str:
        alert = self.alert
        when = f"after {alert.for_} of it" if alert.for_ else "at once"
        if alert.breaches:
            often = f"{alert.breaches.atLeast} of the last {alert.breaches.ofLast} evaluations"
            when = f"after {often}" + (f" for {alert.for_}" if alert.for_ else "")
        holding = f" Goes on for {alert.keepFiringFor} after recovery." if alert.keepFiringFor else ""
        return f"Fires {when}.{holding}"
