"""A promtool unit test for every alert and every record that an alert rests on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.output import block_yaml
from rulegen.output.madefiles import Made
from rulegen.output.opentext import OpenText
from rulegen.promql.rules import AlertRule
from rulegen.slo.alike import OfModel
from rulegen.slo.plan import Plan
from rulegen.spec.lint_names import Name
from rulegen.spec.notes import Note
from rulegen.spec.routing import Routing
from rulegen.unittests import budgets, companions, gauges, good, records
from rulegen.unittests.timeline import alert_test, test_file_start

_ALWAYS_THERE = (
    "its query has a value where nothing is scraped: it is never without data, and nothing of it is tested"
)

__all__ = ["of_plan", "of_watchdog"]


def of_plan(
    model: OfModel, routing: Routing, rules: str, mark: str, notes: list[Note]
) -> tuple[Made, Made | None]:
    """The tests of the alerts in the file ``rules``, and those of its slow records, as the text of their files.

    The files start with ``mark``. What has no test is added to ``notes``.
    """
    plan = model.plan
    interval = routing.spec.evaluationInterval
    parts: list[OpenText] = []
    measured = tuple((slo.slo.name, slo.companion and slo.companion.record) for slo in plan.slos)
    # As one text, whose hash is calculated once.
    others = repr((measured, model.causes, [companion.slos for companion in plan.companions]))
    for index, slo in enumerate(plan.slos):
        for position in range(len(slo.gauge_alerts)):
            text, missed = model.part(
                "alert tests",
                model.alert(index, position),
                partial(_of_alert, index, position, model.opened),
                whole=False,
            )
            parts.append(text)
            at = ("spec", "slos", index, "alerts", position, "when")
            notes += [Note(lint, model.file.document, at, message) for lint, message in missed]
        if not slo.can_be_given:
            notes.append(
                Note("not-tested", model.file.document, ("spec", "slos", index, "sli"), _ALWAYS_THERE)
            )
        make = partial(_of_budget, index, interval)
        parts.append(model.text("budget tests", model.measured(index), make, whole=False))
    parts.append(model.text("companion tests", (others, model.slis), partial(_of_slos, interval)))
    parts.append(model.text("monitor tests", others, partial(_of_model, interval)))
    alerts = partial(model.yaml, mark + test_file_start(rules, interval, any(parts)), parts)
    return alerts, records.of_plan(model, interval, rules, mark, notes)


def _of_alert(
    index: int, position: int, opened: Callable[[str], OpenText], plan: Plan
) -> tuple[OpenText, list[tuple[Name, str]]]:
    """The tests of an alert on a gauge; what could not be tested, and why."""
    if not plan.slos[index].can_be_given:
        return opened(""), [
            ("not-tested", "no test can replace the value that its query has where nothing is scraped")
        ]
    found, missed = gauges.tests(plan.slos[index].gauge_alerts[position])
    return opened(block_yaml.items(found)), missed


def _of_budget(index: int, interval: Duration, plan: Plan) -> str:
    slo = plan.slos[index]
    if slo.budget is None or not slo.can_be_given:
        return ""
    found: list[dict[str, Any]] = []
    for speed, rule in slo.burn_alerts.items():
        found += budgets.tests(slo.budget, speed, rule, interval)
    return block_yaml.items(found + good.tests(slo.budget, interval))


def _of_slos(interval: Duration, plan: Plan) -> str:
    return block_yaml.items(companions.of_slos(plan, interval))


def _of_model(interval: Duration, plan: Plan) -> str:
    return block_yaml.items(companions.of_model(plan, interval))


def of_watchdog(rule: AlertRule, interval: Duration) -> dict[str, Any]:
    """It fires at once and goes on."""
    texts = {name: text.template() for name, text in rule.annotations.items()}
    expected = [{"exp_labels": dict(rule.labels), "exp_annotations": texts}]
    checks = [alert_test(now, interval, rule.name, expected) for now in (0, 10)]
    test = {"interval": str(interval), "name": f"{rule.name} fires always", "alert_rule_test": checks}
    return {"rule_files": ["watchdog.yaml"], "evaluation_interval": str(interval), "tests": [test]}
