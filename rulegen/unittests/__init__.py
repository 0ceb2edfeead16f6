"""A promtool unit test for every alert and every record that an alert rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.rules import AlertRule
from rulegen.slo.plan import Plan, SloPlan
from rulegen.spec.notes import Note
from rulegen.spec.routing import Routing
from rulegen.unittests import budgets, companions, gauges, good, records
from rulegen.unittests.timeline import alert_test, test_file

_ALWAYS_THERE = (
    "its query has a value where nothing is scraped: it is never without data, and nothing of it is tested"
)
_NOT_REPLACED = "no test can replace the value that its query has where nothing is scraped"

__all__ = ["UnitTests", "build", "has_slow_records", "of_watchdog"]


@dataclass(frozen=True)
class UnitTests:
    """The test files of one model as data. ``records``: that of its slow records, where it has any."""

    data: dict[str, Any]
    records: dict[str, Any] | None
    # What has no test.
    notes: list[Note]


def has_slow_records(plan: Plan) -> bool:
    """Whether records are tested in a file of their own, whose rules are evaluated seldom."""
    return records.has_any(plan)


def build(plan: Plan, routing: Routing) -> UnitTests:
    """The tests of the alerts of one model, and of its records."""
    interval = routing.spec.evaluationInterval
    rules = f"{plan.file.name}.yaml"
    notes: list[Note] = []
    found: list[dict[str, Any]] = []
    for index, slo in enumerate(plan.slos):
        found += _of_slo(plan, index, slo, interval, notes)
    found += companions.of_slos(plan, interval) + companions.of_model(plan, interval)
    own = records.of_plan(plan, interval, rules, notes)
    return UnitTests(test_file(rules, interval, found), own, notes)


def _of_slo(
    plan: Plan, index: int, slo: SloPlan, interval: Duration, notes: list[Note]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    document = plan.file.document
    for position, alert in enumerate(slo.gauge_alerts):
        at = ("spec", "slos", index, "alerts", position, "when")
        if not slo.can_be_given:
            notes.append(Note("not-tested", document, at, _NOT_REPLACED))
            continue
        own, missed = gauges.tests(alert)
        found += own
        notes += [Note(lint, document, at, message) for lint, message in missed]
    if not slo.can_be_given:
        notes.append(Note("not-tested", document, ("spec", "slos", index, "sli"), _ALWAYS_THERE))
    if slo.budget is not None and slo.can_be_given:
        for speed, rule in slo.burn_alerts.items():
            found += budgets.tests(slo.budget, speed, rule, interval)
        found += good.tests(slo.budget, interval)
    return found


def of_watchdog(rule: AlertRule, interval: Duration) -> dict[str, Any]:
    """It fires at once and goes on."""
    texts = {name: text.template() for name, text in rule.annotations.items()}
    expected = [{"exp_labels": dict(rule.labels), "exp_annotations": texts}]
    checks = [alert_test(now, interval, rule.name, expected) for now in (0, 10)]
    test = {"interval": str(interval), "name": f"{rule.name} fires always", "alert_rule_test": checks}
    return {"rule_files": ["watchdog.yaml"], "evaluation_interval": str(interval), "tests": [test]}
