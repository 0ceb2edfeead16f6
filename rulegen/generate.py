"""Specs in, files out, nothing on disk yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from exporter.yamlfile import Problem
from rulegen import alertmanager, dashboards, unittests
from rulegen.conventions import SEVERITY, WATCHDOG, WATCHDOG_IDENTITY
from rulegen.lint.run import Linting
from rulegen.notes import Note
from rulegen.output import json_text, yaml_text
from rulegen.plan import Plan, make_plan
from rulegen.routing import Routing
from rulegen.rules import AlertRule, Group, rule_file
from rulegen.specs import Specs
from rulegen.texts import Text


@dataclass(frozen=True)
class Generated:
    """Every file of a run, by its name below the output folder, and what the user should know."""

    files: dict[str, str]
    warnings: list[Problem]
    alerts: int


def generate(specs: Specs) -> Generated:
    """Render every file. Raises InputError where routing and alerts don't go together, or a lint forbids it."""
    routing = specs.routing
    plans = [make_plan(model, routing) for model in specs.models]
    linting = Linting(specs, plans)
    linting.errors()
    files: dict[str, str] = {}
    notes: list[Note] = []
    for plan in plans:
        files |= _model_files(plan, routing, notes)
    if routing.spec.watchdog is not None:
        files |= _watchdog_files(routing)
    identities = [alert.identity for plan in plans for alert in plan.alerts]
    configuration = alertmanager.build(routing, identities)
    source = f"AlertRouting {routing.file.metadata.name}"
    models = ", ".join(plan.file.name for plan in plans)
    files["alertmanager/alertmanager.yaml"] = yaml_text(configuration, f"{source} and ModelSLO {models}")
    places = {PurePosixPath(path).name: path for path in configuration.get("templates", [])}
    for name, text in alertmanager.templates().items():
        files[f"alertmanager/{places.get(name, name)}"] = text
    return Generated(files, linting.warnings(notes), len(identities))


def _model_files(plan: Plan, routing: Routing, notes: list[Note]) -> dict[str, str]:
    name = plan.file.name
    source = f"ModelSLO {name} and AlertRouting {routing.file.metadata.name}"
    interval = routing.spec.evaluationInterval
    alerts, records = unittests.of_plan(plan, routing, f"{name}.yaml", notes)
    files = {
        f"rules/{name}.yaml": yaml_text(rule_file(plan.groups, interval), source),
        f"rules/{name}_test.yaml": yaml_text(alerts, source),
        f"dashboards/{name}.json": json_text(dashboards.dashboard(plan, source)),
    }
    if records is not None:
        files[f"rules/{name}_records_test.yaml"] = yaml_text(records, source)
    return files


def watchdog_rule() -> AlertRule:
    """Fires always."""
    said = "This alert fires always. Where it stops arriving, Prometheus or Alertmanager does not work."
    return AlertRule(
        WATCHDOG,
        "vector(1)",
        {SEVERITY: WATCHDOG_IDENTITY.labels[SEVERITY]},
        {"summary": Text.of("The alerting chain works"), "description": Text.of(said)},
    )


def _watchdog_files(routing: Routing) -> dict[str, str]:
    source = f"AlertRouting {routing.file.metadata.name}"
    interval = routing.spec.evaluationInterval
    rule = watchdog_rule()
    return {
        "rules/watchdog.yaml": yaml_text(rule_file([Group("watchdog", [rule])], interval), source),
        "rules/watchdog_test.yaml": yaml_text(unittests.of_watchdog(rule, interval), source),
    }
