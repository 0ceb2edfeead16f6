"""A promtool unit test for every alert and every record that an alert rests on."""

from __future__ import annotations

from typing import Any

from exporter.yamlfile import Duration
from rulegen.notes import Note
from rulegen.plan import Plan
from rulegen.routing import Routing
from rulegen.rules import AlertRule
from rulegen.unittests import budgets, companions, gauges, good, records
from rulegen.unittests.timeline import alert_test

__all__ = ["of_plan", "of_watchdog"]


def of_plan(
    plan: Plan, routing: Routing, rules: str, notes: list[Note]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The tests of the alerts in the file ``rules``, and those of its slow records.

    What has no test is added to ``notes``.
    """
    interval = routing.spec.evaluationInterval
    found: list[dict[str, Any]] = []
    for index, slo in enumerate(plan.slos):
        for position, alert in enumerate(slo.gauge_alerts):
            own, missed = gauges.tests(alert)
            found += own
            at = ("spec", "slos", index, "alerts", position, "when")
            notes += [Note(lint, plan.file.document, at, message) for lint, message in missed]
        for speed, rule in slo.burn_alerts.items():
            assert slo.budget is not None
            found += budgets.tests(slo.budget, speed, rule, interval)
        if slo.budget is not None:
            found += good.tests(slo.budget, interval)
        if slo.companion is not None:
            found += companions.of_slo(plan, slo, interval)
    if plan.monitor is not None and plan.file.spec.noData is not None:
        found += companions.of_monitor(plan, plan.file.spec.noData, interval)
    alerts = {"rule_files": [rules], "evaluation_interval": str(interval), "tests": found}
    return alerts, records.of_plan(plan, interval, rules, notes)


def of_watchdog(rule: AlertRule, interval: Duration) -> dict[str, Any]:
    """It fires at once and goes on."""
    texts = {name: text.template() for name, text in rule.annotations.items()}
    expected = [{"exp_labels": dict(rule.labels), "exp_annotations": texts}]
    checks = [alert_test(now, interval, rule.name, expected) for now in (0, 10)]
    test = {"interval": str(interval), "name": f"{rule.name} fires always", "alert_rule_test": checks}
    return {"rule_files": ["watchdog.yaml"], "evaluation_interval": str(interval), "tests": [test]}
