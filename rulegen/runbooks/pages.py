"""The pages of a model's alerts, in Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Hashable
from functools import cache, lru_cache, partial
from typing import NamedTuple

import jinja2

from rulegen.output.generated_files import MARK
from rulegen.output.madefiles import Made
from rulegen.promql.conventions import MODEL, SLO, WATCHDOG
from rulegen.promql.expressions import number, quote
from rulegen.promql.rules import AlertRule
from rulegen.runbooks.knowledge import Family, Query, family
from rulegen.runbooks.told import Others, Told, receivers
from rulegen.slo.alerts import GaugeAlert
from rulegen.slo.alike import OfModel
from rulegen.slo.budget import Budget
from rulegen.slo.links import DASHBOARD, RUNBOOK, page
from rulegen.slo.plan import PLANS_KEPT, Plan, SloPlan
from rulegen.spec.routing import Routing

_TEAM = "team"


def pages(model: OfModel, routing: Routing, source: str) -> dict[str, Made]:
    """Every page of one model and their index, by their names below the output folder.

    ``source``: what they are made from, names open as in the plan.
    """
    plan = model.plan
    folder = f"runbooks/{model.file.name}"
    entries: list[tuple[int | None, _Entry]] = [
        (index, entry) for index, slo in enumerate(plan.slos) for entry in _of_slo(slo)
    ]
    entries += [(None, entry) for entry in _of_monitor(plan)]
    team = model.file.file.metadata.labels.get(_TEAM)
    own_team = team if team in routing.spec.teams else None
    # As one text, whose hash is calculated once.
    around = "\n".join([str(own_team), *[entry.known for _, entry in entries]])
    start = f"<!-- {MARK} from {source}; do not edit. -->\n"
    others = Others(routing.spec, plan)
    found: dict[str, Made] = {}
    for index, entry in entries:
        make = partial(_of_entry, start, index, entry.position, routing, others, own_team)
        key: Hashable = (entry.known, model.causes)
        if index is not None and entry.about_data:
            key = (entry.known, model.causes, model.slis[index])
        elif index is not None:
            alert = entry.gauge_alert
            key = (entry.known, model.measured(index) if alert is None else model.alert(index, alert))
        text = model.text("page", (key, around), make, whole=entry.about_data)
        found.setdefault(f"{folder}/{entry.page}", partial(model.plain, text))
    listed = model.text("pages", around, partial(_index, start))
    return {f"{folder}/README.md": partial(model.plain, listed), **found}


class _Entry(NamedTuple):
    """One alert's page, as far as it is the same for all models that have the alert.

    ``known``: the alert as far as others' pages tell of it. ``gauge_alert``: which one of its SLO, where it is one.
    ``about_data``: that something is not measured.
    """

    position: int
    page: str
    known: str
    gauge_alert: int | None
    about_data: bool


@lru_cache(PLANS_KEPT)
def _of_slo(slo: SloPlan) -> list[_Entry]:
    gauges = {id(alert.rule): index for index, alert in enumerate(slo.gauge_alerts)}
    companion = slo.companion.rule if slo.companion is not None else None
    return [
        _entry(position, rule, gauges.get(id(rule)), about_data=rule is companion)
        for position, rule in enumerate(slo.group.alerts)
    ]


def _of_monitor(plan: Plan) -> list[_Entry]:
    return [
        _entry(position, rule, None, about_data=True) for position, rule in enumerate(_alerts(plan, None))
    ]


def _entry(position: int, rule: AlertRule, gauge_alert: int | None, *, about_data: bool) -> _Entry:
    return _Entry(position, page(rule), repr(Told.of(rule)), gauge_alert, about_data)


def _index(start: str, plan: Plan) -> str:
    listed = [{"name": rule.name, "page": page(rule), "told": Told.of(rule)} for rule in plan.alerts]
    return start + _template("index").render(model=plan.file.model, alerts=listed)


def watchdog_page(rule: AlertRule, routing: Routing, source: str) -> dict[str, str]:
    """The page of the alert that always fires."""
    assert routing.spec.watchdog is not None
    told = [
        f"`{name}`, every {routing.spec.watchdog.repeatInterval}" for name in routing.spec.watchdog.receivers
    ]
    text = _template("watchdog").render(alert=rule, family=family(WATCHDOG), told=told)
    return {f"runbooks/watchdog/{WATCHDOG}.md": f"<!-- {MARK} from {source}; do not edit. -->\n{text}"}


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rulegen", "runbooks/templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["shell"] = shlex.quote
    return environment.get_template(f"{name}.md.jinja")


def _alerts(plan: Plan, index: int | None) -> list[AlertRule]:
    """The alerts of an SLO, or those of the model as a whole."""
    group = plan.monitor if index is None else plan.slos[index].group
    return group.alerts if group is not None else []


def _of_entry(
    start: str,
    index: int | None,
    position: int,
    routing: Routing,
    others: Others,
    team: str | None,
    plan: Plan,
) -> str:
    slo = None if index is None else plan.slos[index]
    return start + _page(plan, slo, _alerts(plan, index)[position], routing, others, team)


def _page(
    plan: Plan,
    slo: SloPlan | None,
    rule: AlertRule,
    routing: Routing,
    others: Others,
    team: str | None,
) -> str:
    own = _gauge_alert(slo, rule)
    budget = _burning(slo, rule)
    known = _family(slo, rule, own, budget)
    alert = Told.of(rule)
    metric = slo.series.metric if slo is not None and slo.series is not None else None
    link = rule.annotations.get(DASHBOARD)
    file = f"../../dashboards/{plan.file.name}.json"
    shown = f"[dashboard]({link.template()})" if link is not None else f"dashboard ([its file]({file}))"
    given = rule.annotations.get(RUNBOOK)
    wrote_own = given is not None and not given.template().endswith(f"/{page(rule)}")
    labels = {name: value for name, value in rule.labels.items() if name in ("alertname", MODEL, SLO)}
    return _template("page").render(
        alert=rule,
        labels=rule.labels,
        of_slo=f" of {alert.slo}" if page(rule) != f"{rule.name}.md" else "",
        own_url=given.template() if wrote_own and given is not None else None,
        condition=_condition(own, budget),
        family=known,
        metric=metric.name if metric is not None else None,
        help=metric.help if metric is not None and own is not None else None,
        dashboard=f"Look at the {shown}.",
        rules=f"../../rules/{plan.file.name}.yaml",
        timing=_timing(rule, own),
        queries=_queries(known, plan, slo),
        resolves=_resolves(rule, own, budget, slo),
        told=receivers(routing.spec, alert, team),
        silenced_by=others.silenced_by(alert),
        silences=others.silences(alert),
        matchers=" ".join(
            shlex.quote(f"{name}={quote(value)}")
            for name, value in {"alertname": rule.name, **labels}.items()
        ),
    )


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
    return family("errors" if sli.errors is not None else "latency" if sli.latency is not None else "ratio")


def _queries(known: Family, plan: Plan, slo: SloPlan | None) -> list[Query]:
    series = slo.series if slo is not None else None
    chosen = {MODEL: plan.file.model} | ({SLO: slo.slo.name} if slo is not None else {})
    if series is not None:
        chosen |= {label: series.fixed[label] for label in ("window", "reference") if label in series.fixed}
    return known.filled(chosen, series.metric if series is not None else None)


def _condition(own: GaugeAlert | None, budget: Budget | None) -> str:
    if budget is not None:
        share = number(budget.share * 100)
        return (
            f"Of the events of {budget.time_window}, {share} % may be bad, and that is being spent faster than "
            f"allowed. {budget.sli.bad}"
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
            "What is spent of the budget stays spent until its window has passed."
        )
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
