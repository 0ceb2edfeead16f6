"""A promtool unit test for every alert, and for every record that an alert rests on.

`build` is the door. Cases are built from a plan, one module for each kind of rule, and each is a named test of its own
(`case`). What must come of it is worked out without PromQL (`expected`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.conditions import Location
from rulegen.conditions.beyond_noise import BeyondNoise
from rulegen.promql.annotations import Firing
from rulegen.promql.replicas import WEIGHTED
from rulegen.promql.rules import AlertRule
from rulegen.slo.plan import Plan, SloPlan
from rulegen.spec.lint_names import Name, Note
from rulegen.spec.routing import Routing
from rulegen.unittests import (
    budgets,
    calendars,
    companions,
    events,
    gauges,
    groups,
    histories,
    nodata,
    others,
    scraped,
)
from rulegen.unittests.case import Case

__all__ = ["UnitTests", "build", "look_far_back", "of_watchdog"]

_ALWAYS_THERE = (
    "its query has a value where nothing is scraped: it is never without data, and nothing of it is tested"
)
_ALERT_ALWAYS_THERE = "no test can replace the value that its query has where nothing is scraped"
_ONE_GROUP = "its expressions may select one group only: that there are too many is not tested"
_TOO_MANY = "a test would have more than 200 groups, that no more are measured is not tested"
_NOT_UNDERSTOOD = "what these expressions select is not understood, the records made from them are not tested"


@dataclass(frozen=True)
class UnitTests:
    """The promtool files of a model as data, and what has no test; ``past`` is evaluated seldom, and may be None."""

    data: dict[str, Any]
    past: dict[str, Any] | None
    notes: list[Note]


def build(plan: Plan, routing: Routing) -> UnitTests:
    """Build the tests of all rules of a model, which are in the file named after it."""
    builder = _Builder(plan, routing.spec.evaluationInterval)
    cases = builder.cases()
    often = [case for case in cases if case.interval == builder.interval]
    # There is one other interval.
    seldom = [case for case in cases if case.interval != builder.interval]
    rules = f"{plan.file.name}.yaml"
    past = _file(rules, seldom[0].interval, seldom) if seldom else None
    return UnitTests(_file(rules, builder.interval, often), past, builder.notes)


class _Builder:
    """The cases of one model; of each kind of rule the first has all of them."""

    def __init__(self, plan: Plan, interval: Duration) -> None:
        self.plan = plan
        self.interval = interval
        self.notes: list[Note] = []
        self._seen: set[str] = set()

    def cases(self) -> list[Case]:
        """Return all cases, and collect notes."""
        found: list[Case] = []
        for index, slo in enumerate(self.plan.slos):
            if not slo.can_be_given:
                self._note((index, "sli"), _ALWAYS_THERE)
                for position in range(len(slo.gauge_alerts)):
                    self._note((index, "alerts", position, "when"), _ALERT_ALWAYS_THERE)
                continue
            found += self._of_slo(index, slo)
        found += histories.cases(self.plan, self.interval, self._note)
        found += calendars.cases(self.plan, self.interval, self._is_first)
        found += nodata.cases(self.plan, self.interval, self._is_first)
        return found + companions.cases(self.plan, self.interval, self._is_first)

    def _of_slo(self, index: int, slo: SloPlan) -> Iterator[Case]:
        """Cases of its alerts, and of the records they are given; a query of the user's own is taken as it is."""
        for position, alert in enumerate(slo.gauge_alerts):
            cases, missing = gauges.cases(alert, self._is_first)
            yield from cases
            for lint, said in missing:
                self._note((index, "alerts", position, "when"), said, lint)
        if slo.budget is not None:
            for speed, rule in slo.burn_alerts.items():
                yield from budgets.cases(slo.budget, rule, speed, self.interval, self._is_first)
        if slo.series is not None and slo.series.aggregation == WEIGHTED:
            yield scraped.weighted(slo.series, self.interval)
        legs = (leg for alert in slo.gauge_alerts for leg in alert.kind.legs())
        noisy = next((leg for leg in legs if isinstance(leg, BeyondNoise)), None)
        if noisy is not None and noisy.series.aggregation == WEIGHTED:
            yield scraped.weighted_error(noisy, self.interval)
        elif noisy is not None:
            yield scraped.error_of_worst(noisy, self.interval)
        if slo.budget is not None:
            whole = self._is_first(type(slo.budget.sli).__name__)
            known = events.cases(slo.budget, self.interval, whole=whole)
            yield from known or ()
            if known is None:
                self._note((index, "sli"), _NOT_UNDERSTOOD)
        yield from self._of_groups(index, slo)
        other = others.case(slo, self.interval) if self._is_first(others.kind_of(slo)) else None
        if other is not None:
            yield other

    def _of_groups(self, index: int, slo: SloPlan) -> Iterator[Case]:
        """Cases of the groups that have an error budget each; the first SLO of a file that has some has all of them."""
        budget = slo.budget
        if budget is None or not budget.groups:
            return
        if slo.of_groups.gone is not None:
            whole = self._is_first("a group is gone")
            yield from groups.gone(budget, slo.of_groups, self.interval, whole=whole)
        if self._is_first("too many groups"):
            many = groups.can_be_counted(budget)
            grouped = [one for one in self.plan.slos if one.of_groups.too_many is not None]
            alone = len(grouped) == 1
            case = events.too_many_groups(budget, slo.of_groups, self.interval, alone=alone) if many else None
            if case is not None:
                yield case
            elif not many:
                self._note((index, "maxGroups"), _TOO_MANY)
            else:
                self._note((index, "sli"), _ONE_GROUP)

    def _is_first(self, kind: str) -> bool:
        """Return True the first time that it is asked for a kind."""
        first = kind not in self._seen
        self._seen.add(kind)
        return first

    def _note(self, at: Location, said: str, lint: Name = "not-tested") -> None:
        self.notes.append(Note(lint, self.plan.file.document, ("spec", "slos", *at), said))


def look_far_back(plan: Plan, interval: Duration) -> bool:
    """Return whether a model has tests that are evaluated seldom."""
    return histories.look_far_back(plan, interval) or calendars.look_far_back(plan)


def of_watchdog(rule: AlertRule, interval: Duration) -> dict[str, Any]:
    """Build the test of the watchdog, which fires at once and goes on."""
    case = Case(f"{rule.name}: fires always", interval, [])
    for now in (0, 10):
        case.fires(now, rule, Firing({}, 1.0))
    return _file("watchdog.yaml", interval, [case])


def _file(rules: str, interval: Duration, cases: list[Case]) -> dict[str, Any]:
    tests = [case.as_data() for case in cases]
    return {"rule_files": [rules], "evaluation_interval": str(interval), "tests": tests}
