"""docs/act.md: its example, whole, from a real Alertmanager to the calls; its names are there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml
from click import Context

from exporter.act.outcomes import DECISIONS
from exporter.act.server import REQUESTS
from exporter.commands.act import act
from mlslo.catalogue import METRICS
from mlslo.yamlfile import read
from rulegen import alertmanager
from rulegen.promql.conventions import WATCHDOG_IDENTITY
from rulegen.spec import routing
from tests.support.acting import TOKEN, Act, Receiver, until
from tests.support.alertmanagers import Alertmanager
from tests.support.manifests import KUBERNETES, mistakes
from tests.support.paths import ROOT, ROUTING
from tests.support.sessions import blocks

PAGE = (ROOT / "docs" / "act.md").read_text(encoding="utf-8")
ACTIONS, JOB, WEB, ROUTED, RULES, OBJECTS = (block.text for block in blocks(PAGE) if block.language == "yaml")


@pytest.fixture
def example(tmp_path: Path) -> Iterator[tuple[Act, Receiver]]:
    """The example's files, with the test's server in place of the one that deploys, and users' passwords."""
    (tmp_path / "alertmanager-token").write_text(TOKEN)
    (tmp_path / "deploy-token").write_text("deployers")
    (tmp_path / "retrain.yaml").write_text(JOB)
    web = yaml.safe_load(WEB)
    for user in web["basic_auth_users"]:
        web["basic_auth_users"][user] = bcrypt.hashpw(user.encode(), bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yaml").write_text(yaml.safe_dump(web))
    with Receiver() as receiver:
        actions = tmp_path / "actions.yaml"
        actions.write_text(ACTIONS.replace("https://deploy.internal", receiver.url))
        with Act(tmp_path, actions, "--web.config.file", tmp_path / "web.yaml") as acting:
            yield acting, receiver


def configured(folder: Path, url: str, token: Path) -> Path:
    """The contract's routing file with the page's part, as Alertmanager's configuration without other receivers."""
    document: dict[str, Any] = yaml.safe_load(ROUTING.read_text())
    document["spec"]["actions"] = {"url": url, "credentialsFile": str(token)}
    (folder / "routing.yaml").write_text(yaml.safe_dump(document))
    built = alertmanager.build(routing.from_document(read(folder / "routing.yaml")), [WATCHDOG_IDENTITY])
    built["receivers"] = [
        one if one["name"] == routing.ACTIONS else {"name": one["name"]} for one in built["receivers"]
    ]
    built.pop("templates")
    # The end of an alert is told at the next look at its group.
    acts = next(route for route in built["route"]["routes"] if route["receiver"] == routing.ACTIONS)
    acts["group_interval"] = "1s"
    (folder / "alertmanager.yaml").write_text(yaml.safe_dump(built))
    return folder / "alertmanager.yaml"


def fired(name: str, tier: str, **labels: str) -> dict[str, Any]:
    identity = {"alertname": name, "model": "fraud", "tier": tier, "slo": "auc", "layer": "outcome"}
    return {"labels": {**identity, "version": "3", **labels}, "annotations": {"summary": "AUC is 0.61"}}


@pytest.mark.chain
@pytest.mark.xdist_group("real programs")
def test_example_acts_once_on_an_alert_of_alertmanager(example: tuple[Act, Receiver], tmp_path: Path) -> None:
    acting, receiver = example
    configuration = configured(tmp_path, f"{acting.url}/alerts", tmp_path / "alertmanager-token")
    with Alertmanager(configuration, tmp_path) as server:
        watchdog = {"labels": {"alertname": "Watchdog", **WATCHDOG_IDENTITY.labels}}
        bad, drifting = (
            fired("ModelDegraded", "P1"),
            fired("FeaturesDrifting", "P2", slo="drift", layer="data"),
        )
        server.fire(bad, drifting, watchdog)
        until(lambda: acting.entries(kind="dry_run", action="retrain") and acting.entries(kind="waiting"))
        server.fire(bad)
        (entry,) = acting.entries(kind="waiting")
        assert acting.decide(json.loads(entry.detail)["id"], "anna")[0] == 200
        until(lambda: acting.entries(kind="acted"))
        (call,) = receiver.calls
        assert (call.method, call.path) == ("POST", "/models/fraud/rollback")
        assert call.body == {"version": "3", "reason": "AUC is 0.61"}
        assert call.headers["Authorization"] == "Bearer deployers"
        server.resolve(bad)
        until(lambda: acting.entries(kind="resolved", alert="ModelDegraded"), 120)
        assert {one.alert for one in acting.entries(kind="firing")} == {"ModelDegraded", "FeaturesDrifting"}
        assert len(receiver.calls) == 1


def test_job_is_valid() -> None:
    job = yaml.safe_load(JOB)
    assert mistakes({**job, "metadata": {"name": "x"}}, KUBERNETES[-1]) == []


def test_objects_are_valid() -> None:
    objects = {one["kind"]: one for one in yaml.safe_load_all(OBJECTS)}
    assert len(objects) == 6
    assert [mistake for one in objects.values() for mistake in mistakes(one, KUBERNETES[-1])] == []
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    _, file, *flags = pod["containers"][0]["args"]
    assert {param.name for param in act.params} >= set(
        act.make_parser(Context(act)).parse_args([file, *flags])[0]
    )
    (job,) = (
        one["kubernetesJob"] for one in yaml.safe_load(ACTIONS)["spec"]["actions"] if "kubernetesJob" in one
    )
    assert {one["metadata"]["namespace"] for one in objects.values()} == {job["namespace"]}
    secret = "\n".join(block.text for block in blocks(PAGE) if block.language == "bash")
    assert {"actions.yaml", "web.yaml", "alertmanager-token"} <= set(re.findall(r"--from-file=(\S+)", secret))


def test_routing_is_valid() -> None:
    assert routing.Receiving.model_validate(yaml.safe_load(ROUTED)["actions"]).receiver["webhook_configs"]


def test_names_are_there() -> None:
    assert set(re.findall(r"`(ml_[a-z_]+)[`{]", PAGE)) == {
        name for name in METRICS if name.startswith(("ml_actions", "ml_action_requests"))
    }
    assert [name for name in (*REQUESTS, *DECISIONS) if f"`{name}`" not in PAGE] == []
    flags = {flag for option in act.params for flag in option.opts}
    assert (
        set(re.findall(r"(?<![-\w])--[a-z.-]+[a-z]", PAGE))
        - {"--json", "--since", "--from-file", "--namespace"}
        <= flags
    )
    assert "ml_actions_total" in yaml.safe_load(RULES)["groups"][0]["rules"][0]["expr"]
