"""The panels of one SLO: its gauge with the limits of its alerts; its error budget, and how fast that burns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mlslo.catalogue import Metric
from rulegen.dashboards.panels import Limit, Link, Panel, steps_of
from rulegen.promql.conventions import BUDGET_REMAINING_RECORD, BURN_RATE_RECORD, REVISION
from rulegen.promql.expressions import by, number
from rulegen.promql.rules import AlertRule
from rulegen.slo.budget import Budget
from rulegen.slo.links import RUNBOOK, burn_panel, gauge_panel, heading
from rulegen.slo.plan import SloPlan
from rulegen.spec.time_windows import phrase

# Of a table of groups; and how many lines can be told apart.
_ROWS, _WORST = 10, 10
_UNITS = {"seconds": "s", "Unix seconds": "dateTimeAsIso", "bytes": "bytes"}


def budgets(slo: SloPlan) -> Iterator[Panel]:
    """Yield what is left of the budget of ``slo`` and how fast it burns, where it has one."""
    budget = slo.budget
    if budget is None:
        return
    counted = budget.sli.counted
    promise = (
        f"Over {phrase(budget.promised)}, {number(budget.objective)} % of the {counted} of {budget.slo} "
        f"are promised to be good. {budget.sli.bad}"
    )
    whole = "At 0 % the promise is broken."
    if budget.calendar is not None:
        each = budget.calendar.window.calendar
        whole = f"Whole again with each {each}, whose rest is taken to be like what is over. {whole}"
    if budget.groups:
        promise = f"For each {' and '.join(budget.groups)}: {promise}"
        yield from _of_groups(slo, budget, promise, whole)
        return
    lasting = f"{whole} A changed promise has a line of its own from the change on."
    yield Panel(
        f"slo/{budget.slo}/left",
        f"{budget.slo}: error budget left",
        f"{promise} {whole}",
        {"left": budget.select(BUDGET_REMAINING_RECORD)},
        kind="stat",
        unit="percentunit",
        width=4,
        steps=(("red", None), ("#EAB839", 0.0), ("green", 0.25)),
        missing=f"No {counted} yet",
        links=_runbooks(slo.burn_alerts.values()),
    )
    yield Panel(
        f"slo/{budget.slo}/history",
        f"{budget.slo}: error budget left, by promise",
        f"{promise} {lasting}",
        {_legend((REVISION,)): budget.select(BUDGET_REMAINING_RECORD)},
        unit="percentunit",
        width=10,
        steps=(("red", None), ("green", 0.0)),
        limits=True,
        links=_runbooks(slo.burn_alerts.values()),
    )
    pairs = budget.pairs
    yield Panel(
        burn_panel(budget.slo),
        f"{budget.slo}: burn rate",
        f"{promise} At 1 the budget is used up just at the end; the lines are where alerts begin.",
        {f"over {pairs[0].long}: {_legend((REVISION,))}": budget.select(BURN_RATE_RECORD)},
        width=10,
        steps=steps_of([(float(pair.factor), "above") for pair in pairs]),
        limits=True,
        links=_runbooks(slo.burn_alerts.values()),
    )


def _of_groups(slo: SloPlan, budget: Budget, promise: str, whole: str) -> Iterator[Panel]:
    """Yield a row for each group, the worst first, and how fast the budgets of the worst burn."""
    by_group, links = by(budget.groups), _runbooks([*slo.burn_alerts.values(), *slo.of_groups.rules])
    left, burns = budget.select(BUDGET_REMAINING_RECORD), budget.select(BURN_RATE_RECORD)
    events = budget.select(budget.events(budget.windows[0]))
    pairs = budget.pairs
    yield Panel(
        f"slo/{budget.slo}/left",
        f"{budget.slo}: error budget left by {', '.join(budget.groups)}",
        f"{promise} {whole} The worst are first; at most {budget.most_groups} have a budget.",
        {
            "left": f"min {by_group} ({left})",
            "burn rate": f"max {by_group} ({burns})",
            budget.sli.counted: f"sum {by_group} ({events})",
        },
        kind="table",
        unit="none",
        width=12,
        height=_ROWS,
        steps=(("red", None), ("#EAB839", 0.0), ("green", 0.25)),
        missing=f"No {budget.sli.counted} yet",
        links=links,
        ascending=True,
        units={"left": "percentunit"},
    )
    yield Panel(
        burn_panel(budget.slo),
        f"{budget.slo}: burn rate by {', '.join(budget.groups)}",
        f"{promise} At 1 the budget is used up just at the end; the lines are where alerts begin. "
        f"The {_WORST} that burn fastest.",
        {_legend(budget.groups): f"topk({_WORST}, {burns})"},
        width=12,
        height=_ROWS,
        steps=steps_of([(float(pair.factor), "above") for pair in pairs]),
        limits=True,
        links=links,
    )


def gauge(slo: SloPlan) -> Iterator[Panel]:
    """Yield the gauge of ``slo``, where it has one, with what its conditions compare it with, and their limits."""
    series = slo.series
    if series is None:
        return
    queries = {_legend(series.varying) or series.title: series.expression}
    legs = [leg for alert in slo.gauge_alerts for leg in alert.kind.legs()]
    for line in dict.fromkeys(line for leg in legs for line in leg.lines()):
        queries[f"{line.name} {_legend(line.varying)}".strip()] = line.expression
    limits: list[Limit] = [limit for leg in legs for limit in leg.limits()]
    where = ", ".join(f"{label} {value}" for label, value in series.fixed.items() if label != "model")
    alerts = "; ".join(
        f"{alert.rule.name}: {alert.kind.phrase(values=False).template()}" for alert in slo.gauge_alerts
    )
    yield Panel(
        gauge_panel(series.slo),
        f"{series.slo}: {series.title}" + (f" ({where})" if where else ""),
        series.metric.help + (f" {alerts}." if alerts else ""),
        queries,
        unit=_unit(series.metric),
        steps=steps_of(limits),
        limits=True,
        links=_runbooks(slo.alerts),
    )


def _legend(varying: Sequence[str]) -> str:
    """Return the labels that tell series apart, as Grafana fills them in; the version comes last."""
    ordered = sorted(varying, key=lambda label: label == "version")
    return " ".join(f"{{{{{label}}}}}" for label in ordered)


def _unit(metric: Metric) -> str:
    """Return what Grafana calls the unit of a metric. An AUC of 0.7 is not 70 % of anything."""
    if metric.name.endswith("_ratio"):
        return "percentunit"
    return "reqps" if metric.name.endswith("_per_second") else _UNITS.get(metric.unit, "none")


def _runbooks(alerts: Iterable[AlertRule]) -> tuple[Link, ...]:
    """Return the sections of the runbook, where it is known where that is served."""
    links = []
    for alert in alerts:
        url = alert.annotations.get(RUNBOOK)
        if url is not None:
            links.append((f"Runbook: {heading(alert)}", url.template()))
    return tuple(links)
