"""Specs in, files out, nothing on disk yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Literal

from mlslo.yamlfile import Duration, Problem
from rulegen import alertmanager, unittests
from rulegen.alertmanager import merge, operator
from rulegen.alertmanager.merge import Base
from rulegen.dashboards import dashboard
from rulegen.lint.run import Linting
from rulegen.output import block_yaml
from rulegen.output.generated_files import mark, marked, yaml_text
from rulegen.output.madefiles import Made, MadeFiles
from rulegen.promql.annotations import Text
from rulegen.promql.conventions import TIER, WATCHDOG, WATCHDOG_IDENTITY, AlertIdentity
from rulegen.promql.rules import AlertRule, Group, rule_file
from rulegen.runbooks.pages import pages, watchdog_page
from rulegen.slo.alerts import namespace_label
from rulegen.slo.alike import Alike, OfModel
from rulegen.slo.links import watchdog_link
from rulegen.slo.plan import Plan, make_plan
from rulegen.spec.notes import Note
from rulegen.spec.operator import Operator
from rulegen.spec.routing import Routing
from rulegen.validation.specs import Specs

Format = Literal["prometheus", "operator"]
FORMATS: tuple[Format, ...] = ("prometheus", "operator")


@dataclass(frozen=True)
class Generated:
    """Every file of a run, by its name below the output folder, and what the user should know."""

    files: Mapping[str, str]
    warnings: list[Problem]
    # What was decided for the user, and why; nothing is wrong with it.
    notes: list[Problem]
    alerts: int
    # Tiers and teams that alerts have.
    audiences: frozenset[tuple[str, str]] = frozenset()


def generate(specs: Specs, form: Format = "prometheus", base: Base | None = None) -> Generated:
    """Render every file. Raises InputError where routing and alerts don't go together, or a lint forbids it."""
    routing = specs.routing
    if form == "operator":
        _check_operator(specs)
    alike = Alike(routing)
    models = [alike.of(model) for model in specs.models]
    linting = Linting(specs, models, base)
    linting.errors()
    files: dict[str, Made] = {}
    notes: list[Note] = []
    for model in models:
        files |= _model_files(model, routing, form, notes)
    if routing.spec.watchdog is not None:
        files |= _watchdog_files(routing, form)
    identities = [identity for model in models for identity in model.identities]
    names = ", ".join(model.file.name for model in models)
    source = f"AlertRouting {routing.file.metadata.name} and ModelSLO {names}"
    routed, said = _routing_files(routing, identities, source, form, base)
    files |= routed
    audiences = frozenset(
        (one.labels[TIER], one.labels.get("team", "")) for one in identities if TIER in one.labels
    )
    return Generated(MadeFiles(files), linting.warnings(notes), said, len(identities), audiences)


def _check_operator(specs: Specs) -> None:
    names: dict[str, str] = {}
    for model in specs.models:
        name = operator.object_name(model.name)
        first = names.setdefault(name, model.name)
        if first != model.name:
            message = f"'{model.name}' and '{first}' would both be the object '{name}'"
            raise model.document.error(("metadata", "name"), message)


def _routing_files(
    routing: Routing, alerts: Sequence[AlertIdentity], source: str, form: Format, base: Base | None
) -> tuple[dict[str, str], list[Problem]]:
    if form == "operator":
        made = operator.routing_object(routing, alerts, base, source)
        return {"alertmanager/mlslo.yaml": marked(made.text, source)}, made.notes
    configuration = alertmanager.build(routing, alerts)
    if base is not None:
        ours = {**configuration, "route": alertmanager.guarded_route(routing.spec)}
        text = base.merged(merge.check(base, ours), source)
    else:
        text = yaml_text(configuration, source)
    files = {"alertmanager/alertmanager.yaml": text}
    places = {PurePosixPath(path).name: path for path in configuration.get("templates", [])}
    for name, text in alertmanager.templates().items():
        files[f"alertmanager/{places.get(name, name)}"] = text
    return files, []


def _rule_files(
    name: str, rules: dict[str, Any], routing: Routing, source: str, form: Format
) -> dict[str, str]:
    """The rules; for the operator also as promtool reads them, beside their tests."""
    plain = yaml_text(rules, source)
    if form == "prometheus":
        return {f"rules/{name}.yaml": plain}
    custom = operator.prometheus_rule(name, rules, routing.spec.operator or Operator())
    return {f"rules/{name}.yaml": yaml_text(custom, source), f"{tests_folder(form)}/{name}.yaml": plain}


def _rule_files_of(model: OfModel, routing: Routing, source: str, form: Format) -> Mapping[str, Made]:
    """The rules of a model."""
    name, interval = model.file.name, routing.spec.evaluationInterval
    if form == "operator":
        rules = rule_file(make_plan(model.file, routing).groups, interval)
        return _rule_files(name, rules, routing, source, form)
    groups = [
        model.text("group", (model.slo(index), model.causes), partial(_group, index, interval))
        for index in range(len(model.plan.slos))
    ]
    groups.append(model.text("group", (model.slis, model.causes), partial(_group, None, interval)))
    return {f"rules/{name}.yaml": partial(model.yaml, f"{mark(source)}groups:\n", groups)}


def _group(index: int | None, interval: Duration, plan: Plan) -> str:
    group = plan.monitor if index is None else plan.slos[index].group
    return block_yaml.items([group.as_data(interval)]) if group is not None else ""


def tests_folder(form: Format) -> str:
    """Where unit tests stand: `kubectl apply -f rules/` shall meet nothing but objects."""
    return "rules" if form == "prometheus" else "tests"


def _model_files(model: OfModel, routing: Routing, form: Format, notes: list[Note]) -> dict[str, Made]:
    name = model.file.name
    around = f" and AlertRouting {routing.file.metadata.name}"
    source, open_source = (f"ModelSLO {file.name}{around}" for file in (model.file, model.plan.file))
    alerts, records = unittests.of_plan(model, routing, f"{name}.yaml", mark(source), notes)
    files: dict[str, Made] = {
        **_rule_files_of(model, routing, source, form),
        f"{tests_folder(form)}/{name}_test.yaml": alerts,
        f"dashboards/{name}.json": partial(dashboard.dashboard, model, open_source),
        **pages(model, routing, open_source),
    }
    if records is not None:
        files[f"{tests_folder(form)}/{name}_records_test.yaml"] = records
    return files


def watchdog_rule(routing: Routing) -> AlertRule:
    """Fires always."""
    said = "This alert fires always. Where it stops arriving, Prometheus or Alertmanager does not work."
    return AlertRule(
        WATCHDOG,
        "vector(1)",
        {**WATCHDOG_IDENTITY.labels, **namespace_label(routing)},
        {
            "summary": Text.of("The alerting chain works"),
            "description": Text.of(said),
            **watchdog_link(routing),
        },
    )


def _watchdog_files(routing: Routing, form: Format) -> dict[str, str]:
    source = f"AlertRouting {routing.file.metadata.name}"
    interval = routing.spec.evaluationInterval
    rule = watchdog_rule(routing)
    rules = rule_file([Group("watchdog", [rule])], interval)
    test = yaml_text(unittests.of_watchdog(rule, interval), source)
    return {
        **_rule_files("watchdog", rules, routing, source, form),
        f"{tests_folder(form)}/watchdog_test.yaml": test,
        **watchdog_page(rule, routing, source),
    }
