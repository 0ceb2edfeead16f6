"""Specs in, files out, nothing on disk yet."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from mlslo.version import VERSION
from mlslo.yamlfile import InputError, Problem
from rulegen import alertmanager, unittests
from rulegen.alertmanager import merge, operator
from rulegen.alertmanager.merge import Base
from rulegen.dashboards import dashboard, fleet
from rulegen.lint.run import Linting
from rulegen.output.generated_files import digest, mark, stamped, stand, yaml_text
from rulegen.promql.annotations import Text
from rulegen.promql.conventions import TIER, WATCHDOG, WATCHDOG_IDENTITY, AlertIdentity
from rulegen.promql.groups import split
from rulegen.promql.rules import AlertRule, Group, rule_file
from rulegen.runbooks import pages
from rulegen.slo.alerts import namespace_label
from rulegen.slo.links import watchdog_link
from rulegen.slo.plan import Plan, make_plan
from rulegen.spec.lint_names import Note
from rulegen.spec.routing import Routing
from rulegen.validation.action_checks import action_problems
from rulegen.validation.specs import Specs

Format = Literal["prometheus", "operator"]
FORMATS: tuple[Format, ...] = ("prometheus", "operator")
_FLEET = "dashboards/mlslo_fleet.json"
# Of fewer models the processes would take longer to begin than to work.
_FEWEST_IN_PARALLEL = 4


@dataclass(frozen=True)
class Generated:
    """The files of a run, by their names below the output folder, and what the user should know.

    ``standing``: files that were not generated again because they stand on disk as the specs ask.
    """

    files: Mapping[str, str]
    standing: Sequence[str]
    warnings: list[Problem]
    # What was decided for the user, and why; nothing is wrong with it.
    notes: list[Problem]
    alerts: int
    # Tiers and teams that alerts have.
    audiences: frozenset[tuple[str, str]] = frozenset()

    @property
    def names(self) -> list[str]:
        """Every file that the specs ask for."""
        return [*self.files, *self.standing]


# The files of one model, and what no test proves.
_ModelFiles = tuple[dict[str, str], list[Note]]


def generate(
    specs: Specs,
    form: Format = "prometheus",
    base: Base | None = None,
    *,
    jobs: int = 1,
    standing_in: Path | None = None,
) -> Generated:
    """Render every file, in ``jobs`` processes where there are many models.

    A model is passed over whose files in ``standing_in`` carry the hash of their specs and their own.
    Raises InputError where routing and alerts don't go together, or a lint forbids it.
    """
    routing = specs.routing
    if form == "operator":
        _check_operator(specs)
    plans = [make_plan(model, routing) for model in specs.models]
    if problems := list(action_problems(specs.actions, plans)):
        raise InputError(problems)
    linting = Linting(specs, plans, base)
    linting.errors()
    files: dict[str, str] = {}
    standing: list[str] = []
    notes: list[Note] = []
    changed: list[Plan] = []
    for plan in plans:
        names = _names(plan, specs.routing, form)
        inputs = _inputs(plan, specs, form)
        if standing_in is not None and stand(standing_in, names, inputs):
            standing += names
        else:
            changed.append(plan)
    for made, untested in _in_parallel(partial(_model_files, specs, form), changed, jobs):
        files |= made
        notes += untested
    if routing.spec.watchdog is not None:
        files |= _watchdog_files(routing, form)
    identities = [identity for plan in plans for identity in plan.identities]
    models = ", ".join(plan.file.name for plan in plans)
    source = f"AlertRouting {routing.file.metadata.name} and ModelSLO {models}"
    routed, said = _routing_files(routing, identities, source, form, base)
    files |= routed
    files[_FLEET] = fleet.build(list(routing.spec.tiers), mark(f"AlertRouting {routing.file.metadata.name}"))
    audiences = frozenset(
        (one.labels[TIER], one.labels.get("team", "")) for one in identities if TIER in one.labels
    )
    return Generated(files, standing, linting.warnings(notes), said, len(identities), audiences)


def _check_operator(specs: Specs) -> None:
    names: dict[str, str] = {}
    for model in specs.models:
        # Nobody has ten thousand rules in one model.
        for number in range(1, 10):
            name = operator.part_name(model.name, number)
            first = names.setdefault(name, model.name)
            if first != model.name:
                message = f"'{model.name}' and '{first}' would both be the object '{name}'"
                raise model.document.error(("metadata", "name"), message)


def _names(plan: Plan, routing: Routing, form: Format) -> list[str]:
    """The files of one model."""
    name, tests = plan.file.name, _tests_folder(form)
    found = [f"rules/{name}.yaml", f"{tests}/{name}_test.yaml"]
    if unittests.look_far_back(plan, routing.spec.evaluationInterval):
        found.append(f"{tests}/{name}_records_test.yaml")
    if form == "operator":
        found.append(f"{tests}/{name}.yaml")
    return [*found, f"dashboards/{name}.json", f"runbooks/{name}.md"]


def _inputs(plan: Plan, specs: Specs, form: Format) -> str:
    """A hash of all that the files of one model are made from; comments in them do not count."""
    documents = [plan.file.document, specs.routing.document]
    documents += [monitor.document for monitor in specs.monitors if monitor.model == plan.file.model]
    return digest(VERSION, form, *(json.dumps(document.data) for document in documents))


# What the processes work on: they inherit it, plans would take longer to send than to use.
_work: list[tuple[partial[_ModelFiles], Sequence[Plan]]] = []


def _in_parallel(make: partial[_ModelFiles], plans: Sequence[Plan], jobs: int) -> Iterator[_ModelFiles]:
    if jobs < 2 or len(plans) < _FEWEST_IN_PARALLEL:
        yield from map(make, plans)
        return
    jobs = min(jobs, len(plans))
    _work.append((make, plans))
    try:
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork")) as pool:
            yield from pool.map(_at, range(len(plans)), chunksize=max(1, len(plans) // (8 * jobs)))
    finally:
        _work.pop()


def _at(index: int) -> _ModelFiles:
    make, plans = _work[-1]
    return make(plans[index])


def _model_files(specs: Specs, form: Format, plan: Plan) -> _ModelFiles:
    """Everything that one ModelSLO file becomes."""
    routing, name = specs.routing, plan.file.name
    source = f"ModelSLO {name} and AlertRouting {routing.file.metadata.name}"
    groups = _groups(plan, routing, form)
    rules = rule_file(groups, routing.spec.evaluationInterval)
    tests = unittests.build(plan, routing)
    # promtool evaluates groups in no order: a part that reads records of another comes after it.
    order = {"group_eval_order": [group.name for group in groups]} if len(groups) > len(plan.groups) else {}
    files = {
        **_rule_files(name, rules, routing, source, form),
        f"{_tests_folder(form)}/{name}_test.yaml": yaml_text(tests.data | order, source),
        f"dashboards/{name}.json": dashboard.build(plan, mark(source), _task(plan, specs)),
        f"runbooks/{name}.md": pages.of_model(plan, routing, mark(source)),
    }
    if tests.past is not None:
        files[f"{_tests_folder(form)}/{name}_records_test.yaml"] = yaml_text(tests.past | order, source)
    files = {path: files[path] for path in _names(plan, routing, form)}
    if not tests.notes:
        # What a test cannot prove is said in each run: without the hash the files are made again.
        files = stamped(files, _inputs(plan, specs, form))
    return files, tests.notes


def _task(plan: Plan, specs: Specs) -> str | None:
    """Return the task of a model, where the run has its ModelMonitor file."""
    tasks = {monitor.spec.task for monitor in specs.monitors if monitor.model == plan.file.model}
    return tasks.pop() if len(tasks) == 1 else None


def _groups(plan: Plan, routing: Routing, form: Format) -> list[Group]:
    """The groups of one model, as large as their readers take them."""
    found = split(plan.groups, routing.spec.maxRulesPerGroup)
    return operator.fitting(found, routing.spec.evaluationInterval) if form == "operator" else found


def _rule_files(
    name: str, rules: dict[str, Any], routing: Routing, source: str, form: Format
) -> dict[str, str]:
    """The rules; for the operator also as promtool reads them, beside their tests."""
    plain = yaml_text(rules, source)
    if form == "prometheus":
        return {f"rules/{name}.yaml": plain}
    custom = operator.prometheus_rule(name, rules, routing.operator)
    return {f"rules/{name}.yaml": yaml_text(custom, source), f"{_tests_folder(form)}/{name}.yaml": plain}


def _tests_folder(form: Format) -> str:
    """Where unit tests stand: `kubectl apply -f rules/` shall meet nothing but objects."""
    return "rules" if form == "prometheus" else "tests"


def _routing_files(
    routing: Routing, alerts: Sequence[AlertIdentity], source: str, form: Format, base: Base | None
) -> tuple[dict[str, str], list[Problem]]:
    if form == "operator":
        made = operator.routing_object(routing, alerts, base, source)
        return {"alertmanager/mlslo.yaml": f"# {mark(source)}\n{made.text}"}, made.notes
    configuration = alertmanager.build(routing, alerts)
    if base is not None:
        ours = {**configuration, "route": alertmanager.guarded_route(routing.spec, alerts)}
        text = base.merged(merge.check(base, ours), source)
    else:
        text = yaml_text(configuration, source)
    files = {"alertmanager/alertmanager.yaml": text}
    places = {PurePosixPath(path).name: path for path in configuration.get("templates", [])}
    for name, text in alertmanager.templates().items():
        files[f"alertmanager/{places.get(name, name)}"] = text
    return files, []


def watchdog_rule(routing: Routing) -> AlertRule:
    """The alert that always fires."""
    said = "This alert fires always. Where it stops arriving, Prometheus or Alertmanager does not work."
    labels = {**WATCHDOG_IDENTITY.labels, **namespace_label(routing)}
    texts = {"summary": Text.of("The alerting chain works"), "description": Text.of(said)}
    return AlertRule(WATCHDOG, "vector(1)", labels, texts | watchdog_link(routing))


def _watchdog_files(routing: Routing, form: Format) -> dict[str, str]:
    source = f"AlertRouting {routing.file.metadata.name}"
    interval = routing.spec.evaluationInterval
    rule = watchdog_rule(routing)
    rules = rule_file([Group("watchdog", [rule])], interval)
    test = yaml_text(unittests.of_watchdog(rule, interval), source)
    return {
        **_rule_files("watchdog", rules, routing, source, form),
        f"{_tests_folder(form)}/watchdog_test.yaml": test,
        "runbooks/watchdog.md": pages.of_watchdog(rule, routing, mark(source)),
    }
