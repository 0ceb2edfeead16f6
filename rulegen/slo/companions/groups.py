"""Alerts about the groups of an SLO: one is not measured any more, or there are too many."""

from __future__ import annotations

from dataclasses import dataclass

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import PLAIN, Text, Value
from rulegen.promql.conventions import GROUP_NO_DATA, KNOWN_GROUPS_RECORD, TOO_MANY_GROUPS
from rulegen.promql.expressions import Given, block, on, selector
from rulegen.promql.rules import AlertRule
from rulegen.slo.alerts import AlertBuilder
from rulegen.slo.budget import Budget
from rulegen.slo.companions.dependencies import Demand, no_data
from rulegen.slo.groups import MEMORY, of_group
from rulegen.spec.model_slo import Slo

# A new group may have come while an old one was not forgotten yet.
_SETTLED = Duration("15m")


@dataclass(frozen=True)
class GroupCompanions:
    """The alerts about the groups of one SLO. ``memory``: how long one that is gone is missed at most."""

    gone: AlertRule | None = None
    too_many: AlertRule | None = None
    demand: Demand | None = None
    memory: Duration = MEMORY
    least: int = 1

    @property
    def rules(self) -> list[AlertRule]:
        """Alert rules of the groups that exist."""
        return [rule for rule in (self.gone, self.too_many) if rule is not None]


def group_companions(build: AlertBuilder, slo: Slo, budget: Budget | None) -> GroupCompanions:
    """Return the alerts about the groups of ``slo``; none where it has no groups."""
    if budget is None or not budget.groups:
        return GroupCompanions()
    too_many = _too_many(build, slo, budget)
    demand = no_data(build.file, slo)
    if demand is None:
        return GroupCompanions(None, too_many)
    memory = max(MEMORY, Duration.of_seconds(3 * demand.after.seconds), key=lambda one: one.seconds)
    interval = build.routing.spec.evaluationInterval.seconds
    least = max(round(demand.after.seconds / interval), 1)
    gone = _gone(build, slo, budget, demand, memory, least)
    return GroupCompanions(gone, too_many, demand, memory, least)


def _gone(
    build: AlertBuilder, slo: Slo, budget: Budget, demand: Demand, memory: Duration, least: int
) -> AlertRule:
    """A group that was measured is not, while others are.

    One that was there for less time than it must be missing is no loss: jobs and tests come and go.
    """
    events = budget.events(budget.windows[0])
    own = build.file.labels(slo.name)
    recorded = selector(events, {**own, **dict.fromkeys(budget.groups, Given.ANY)})
    expression = (
        f"count_over_time({recorded}[{memory}]) >= {least}\n"
        f"unless {on(budget.groups)}\n{recorded}\nand on ()\ngroup({recorded})"
    )
    since = f" have been counted for {demand.after}, though there were some before"
    summary = Text.of(f"{build.file.model} {slo.name}: no events", of_group(budget.groups), since)
    description = Text.of(
        f"Others are counted. While its events are missing, its error budget raises no alert. Ends when they are "
        f"back, or at the latest {memory} after the last one: then the group is forgotten."
    )
    return build.alert(
        GROUP_NO_DATA,
        slo.name,
        slo.layer,
        demand.tier,
        expression,
        summary,
        description,
        for_=demand.after,
        series_labels=budget.groups,
        groups=budget.groups,
    )


def _too_many(build: AlertBuilder, slo: Slo, budget: Budget) -> AlertRule:
    """Some groups have no error budget."""
    known = budget.select(KNOWN_GROUPS_RECORD)
    counted = budget.sli.events(budget.windows[0])
    left_out = block(f"{counted}\nunless {on(budget.groups)}\n{known}")
    expression = f"count{left_out}"
    summary = Text.of(
        f"{build.file.model} {slo.name}: ",
        Value(PLAIN),
        f" groups by {' and '.join(budget.groups)} have no error budget, there are more than {budget.most_groups}",
    )
    description = Text.of(
        f"Those that were there first, and then the largest, have one: {budget.most_groups}, as maxGroups says. "
        f"No alert tells of a failure in the others. A group is forgotten {MEMORY} after its last event."
    )
    return build.alert(
        TOO_MANY_GROUPS,
        slo.name,
        slo.layer,
        budget.alerting.slow,
        expression,
        summary,
        description,
        for_=_SETTLED,
        groups=budget.groups,
    )
