"""The page of a model's alerts, in Markdown: what each means, what to look at first, what to do."""

from __future__ import annotations

import shlex
from functools import cache
from typing import Any

import jinja2

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import (
    BUDGET_REMAINING_RECORD,
    BURN_RATE_RECORD,
    GROUP_NO_DATA,
    MODEL,
    SLO,
    TOO_MANY_GROUPS,
    WATCHDOG,
)
from rulegen.promql.expressions import number, quote
from rulegen.promql.rules import AlertRule
from rulegen.runbooks.knowledge import Family, Query, family
from rulegen.runbooks.notifications import inhibited, inhibiting, receivers
from rulegen.slo.alerts import GaugeAlert
from rulegen.slo.budget import Budget
from rulegen.slo.links import DASHBOARD, RUNBOOK, anchor, heading
from rulegen.slo.plan import Plan, SloPlan
from rulegen.spec.routing import Routing
from rulegen.spec.time_windows import phrase


def of_model(plan: Plan, routing: Routing, mark: str) -> str:
    """The page of one model: a table of its alerts, and a section for each of them."""
    sections = [_section(plan, routing, slo, rule) for slo in plan.slos for rule in slo.alerts]
    sections += [
        _section(plan, routing, None, rule) for rule in (plan.monitor.alerts if plan.monitor else ())
    ]
    text = _template("model").render(model=plan.file.model, name=plan.file.name, alerts=sections)
    return f"<!-- {mark} -->\n{text}"


def of_watchdog(rule: AlertRule, routing: Routing, mark: str) -> str:
    """The page of the alert that always fires."""
    assert routing.spec.watchdog is not None
    receiving = [
        f"`{name}`, every {routing.spec.watchdog.repeatInterval}" for name in routing.spec.watchdog.receivers
    ]
    text = _template("watchdog").render(alert=rule, family=family(WATCHDOG), receivers=receiving)
    return f"<!-- {mark} -->\n{text}"


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(  # noqa: S701 - Markdown
        loader=jinja2.PackageLoader("rulegen", "runbooks/templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["shell"] = shlex.quote
    return environment.get_template(f"{name}.md.jinja")


def _section(plan: Plan, routing: Routing, slo: SloPlan | None, rule: AlertRule) -> dict[str, Any]:
    """The text of one alert, by the template; ``slo``: whose it is, None for those about the monitor."""
    spec = routing.spec
    own, budget = _gauge_alert(slo, rule), _burning(slo, rule)
    known = _family(slo, rule, own, budget)
    metric = slo.series.metric if slo is not None and slo.series is not None else None
    link = rule.annotations.get(DASHBOARD)
    file = f"../dashboards/{plan.file.name}.json"
    shown = f"[dashboard]({link.template()})" if link is not None else f"dashboard ([its file]({file}))"
    given = rule.annotations.get(RUNBOOK)
    wrote_own = given is not None and not given.template().endswith(f"#{anchor(rule)}")
    silenced = {"alertname": rule.name, MODEL: rule.labels[MODEL], SLO: rule.labels[SLO]}
    return {
        "heading": heading(rule),
        "anchor": anchor(rule),
        "expression": rule.expression,
        "labels": rule.labels,
        "own_url": given.template() if wrote_own and given is not None else None,
        "condition": _condition(own, budget),
        "family": known,
        "metric": metric.name if metric is not None else None,
        "help": metric.help if metric is not None and own is not None else None,
        "dashboard": f"Look at the {shown}.",
        "timing": _timing(rule, own),
        "queries": _queries(known, plan, slo),
        "resolves": _resolves(rule, own, budget, slo),
        "receivers": receivers(spec, rule, plan.file.file.metadata.labels.get("team", "")),
        "inhibited_by": inhibiting(spec, plan.alerts, rule),
        "inhibits": inhibited(spec, plan.alerts, rule),
        "matchers": " ".join(shlex.quote(f"{name}={quote(value)}") for name, value in silenced.items()),
        "group": [label for label in rule.groups if label in rule.series_labels],
    }


def _gauge_alert(slo: SloPlan | None, rule: AlertRule) -> GaugeAlert | None:
    return next((alert for alert in (slo.gauge_alerts if slo else ()) if alert.rule is rule), None)


def _burning(slo: SloPlan | None, rule: AlertRule) -> Budget | None:
    burning = slo is not None and any(alert is rule for alert in slo.burn_alerts.values())
    return slo.budget if slo is not None and burning else None


def _family(slo: SloPlan | None, rule: AlertRule, own: GaugeAlert | None, budget: Budget | None) -> Family:
    if slo is None or (own is None and budget is None):
        return family(rule.name)
    sli = slo.slo.sli
    if sli.promql is not None:
        return family("promql")
    if slo.series is not None:
        return family(slo.series.metric.name)
    return family(
        "errors" if sli.errors else "latency" if sli.latency and not sli.latency.native else "ratio"
    )


def _queries(known: Family, plan: Plan, slo: SloPlan | None) -> list[Query]:
    series = slo.series if slo is not None else None
    chosen = {MODEL: plan.file.model} | ({SLO: slo.slo.name} if slo is not None else {})
    if series is not None:
        chosen |= {label: series.fixed[label] for label in ("window", "reference") if label in series.fixed}
    return [*known.filled(chosen, series.metric if series is not None else None), *_by_group(slo)]


def _by_group(slo: SloPlan | None) -> list[Query]:
    """Return questions where there is an error budget for each group: which ones are concerned."""
    budget = slo.budget if slo is not None else None
    if budget is None or not budget.groups:
        return []
    left, burns = budget.select(BUDGET_REMAINING_RECORD), budget.select(BURN_RATE_RECORD)
    of = " and ".join(budget.groups)
    return [
        Query(f"What is left of the budget of each {of}, the least first?", f"sort({left})"),
        Query(f"Whose budget burns, the fastest first? One {of}, or all of them?", f"sort_desc({burns} > 1)"),
    ]


def _condition(own: GaugeAlert | None, budget: Budget | None) -> str:
    if budget is not None:
        share = number(budget.share * 100)
        whose = f" of each {' and '.join(budget.groups)}" if budget.groups else ""
        return (
            f"Of the events{whose} of {phrase(budget.promised)}, {share} % may be bad, and that is being spent "
            f"faster than allowed. {budget.sli.bad}"
        )
    if own is None:
        return ""
    series = own.series
    where = own.kind.phrase(values=False).template()
    title = f"`{series.title}`" if series.title == series.metric.name else "The query"
    fixed = [f"{label} `{value}`" for label, value in series.fixed.items() if label != MODEL]
    of = f" ({', '.join(fixed)})" if fixed else ""
    if own.several is not None:
        return f"{own.several.least} or more series of {title[:1].lower()}{title[1:]}{of} are {where}."
    return f"{title}{of} is {where}."


def _renewed(budget: Budget) -> str:
    if isinstance(budget.promised, Duration):
        return "its window has passed"
    return f"the next {budget.promised.calendar} begins ({budget.promised.zone})"


def _timing(rule: AlertRule, own: GaugeAlert | None) -> str:
    breaches = own.spec.breaches if own is not None else None
    if breaches is not None:
        often = f"when {breaches.atLeast} of the last {breaches.ofLast} evaluations found it so"
        return f"It fires {often}{f', for {rule.for_}' if rule.for_ is not None else ''}."
    if rule.for_ is not None:
        return f"It fires once that has lasted {rule.for_}."
    return "It fires at the first evaluation that finds it so."


def _resolves(rule: AlertRule, own: GaugeAlert | None, budget: Budget | None, slo: SloPlan | None) -> str:
    if budget is not None:
        speed = "fast" if slo is not None and slo.burn_alerts.get("fast") is rule else "slow"
        shorts = " or ".join(dict.fromkeys(str(pair.short) for pair in budget.pairs if pair.speed == speed))
        return (
            f"When the burn rate over the short window ({shorts}) is below its factor again, soon after the repair. "
            f"What is spent of the budget stays spent until {_renewed(budget)}."
        )
    if own is None and slo is not None and rule.name in (GROUP_NO_DATA, TOO_MANY_GROUPS):
        if rule.name == TOO_MANY_GROUPS:
            return (
                "When every group that has events has a budget: groups went away, or `maxGroups` was raised."
            )
        return f"When its events are back, or about {slo.of_groups.memory} after the last one: then it is forgotten."
    if own is None:
        return "With the first evaluation that measures it again."
    breaches = own.spec.breaches
    said = "With the first evaluation that is good again"
    if breaches is not None:
        said = f"When fewer than {breaches.atLeast} of the last {breaches.ofLast} evaluations were bad"
    kept = f", and {rule.keep_firing_for} more have passed" if rule.keep_firing_for is not None else ""
    window = own.series.fixed.get("window")
    slow = (
        f" The gauge looks back over {window}: after the repair it takes up to that long." if window else ""
    )
    return f"{said}{kept}.{slow}"
