"""`spec.actions`: who acts is told of each alert besides its tier, and of nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlslo.yamlfile import InputError, read
from rulegen import alertmanager
from rulegen.promql.conventions import WATCHDOG_IDENTITY
from rulegen.simulation.routes import tree
from rulegen.simulation.setup import configuration
from rulegen.spec import routing
from rulegen.spec.routing import Routing
from tests.support.acting import actions_file
from tests.support.bases import run
from tests.support.paths import CONTRACT, ROUTING
from tests.support.tools import tool

ACTIONS = {
    "url": "https://act.internal:9849/alerts",
    "credentialsFile": "/etc/alertmanager/secrets/act",
    "caFile": "/etc/alertmanager/secrets/ca",
}


def loaded(folder: Path, **spec: Any) -> Routing:
    document: dict[str, Any] = yaml.safe_load(ROUTING.read_text())
    document["spec"].update(spec)
    (folder / "routing.yaml").write_text(yaml.safe_dump(document))
    return routing.from_document(read(folder / "routing.yaml"))


@pytest.mark.chain
def test_alertmanager_takes_it(tmp_path: Path) -> None:
    built = alertmanager.build(loaded(tmp_path, actions={"url": ACTIONS["url"]}), [WATCHDOG_IDENTITY])
    (tmp_path / "alertmanager.yaml").write_text(yaml.safe_dump(built, sort_keys=False))
    for name, text in alertmanager.templates().items():
        (tmp_path / name).write_text(text)
    command = [str(tool("amtool")), "check-config", str(tmp_path / "alertmanager.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_told_besides_the_others(tmp_path: Path) -> None:
    built = alertmanager.build(loaded(tmp_path, actions=ACTIONS), [WATCHDOG_IDENTITY])
    before = tree(alertmanager.build(loaded(tmp_path), [WATCHDOG_IDENTITY])["route"])
    after = tree(built["route"])
    for labels in (
        {"tier": "P1", "team": "risk"},
        {"tier": "P1"},
        {"tier": "P3", "layer": "data"},
        {"tier": "P9"},
        {},
        {"alertname": "Watchdog", **WATCHDOG_IDENTITY.labels},
    ):
        told = [route.receiver for route in after.matching(labels)]
        expected = [route.receiver for route in before.matching(labels)]
        assert told == [*(["mlslo-actions"] if labels.get("tier") in ("P1", "P2", "P3") else []), *expected]
    (receiver,) = [one for one in built["receivers"] if one["name"] == "mlslo-actions"]
    (webhook,) = receiver["webhook_configs"]
    assert webhook["send_resolved"] is True
    assert webhook["http_config"] == {
        "follow_redirects": False,
        "authorization": {"credentials_file": ACTIONS["credentialsFile"]},
        "tls_config": {"ca_file": ACTIONS["caFile"]},
    }


def test_receivers_that_page_tell_their_groups(tmp_path: Path) -> None:
    before = loaded(tmp_path).spec.all_receivers
    after = loaded(tmp_path, actions=ACTIONS).spec.all_receivers
    own = after.pop("mlslo-actions")["webhook_configs"]
    paging = [name for name, receiver in before.items() if "pagerduty_configs" in receiver]
    assert paging
    for name in paging:
        before[name] = {**before[name], "webhook_configs": [*before[name].get("webhook_configs", []), *own]}
    assert after == before


def test_simulation_is_about_people(tmp_path: Path) -> None:
    found = configuration(loaded(tmp_path, actions=ACTIONS), [], None)
    without = configuration(loaded(tmp_path), [], None)
    assert found.receivers == without.receivers
    assert [one.receiver for one in found.route.routes] == [one.receiver for one in without.route.routes]


def test_name_of_the_receiver_is_taken(tmp_path: Path) -> None:
    receivers = yaml.safe_load(ROUTING.read_text())["spec"]["receivers"]
    receivers["mlslo-actions"] = {"webhook_configs": [{"url": "http://x"}]}
    with pytest.raises(InputError, match=r"'mlslo-actions' is the receiver that spec.actions asks for"):
        loaded(tmp_path, actions=ACTIONS, receivers=receivers)


def test_action_on_an_alert_that_no_model_has_is_refused(tmp_path: Path) -> None:
    call = {"http": {"url": "https://deploy.internal"}}
    names = ("FeatureDrfit", "ModelMonitorStale", "FeaturesDrifting")
    actions = [
        {"name": f"a{number}", "alert": {"alertname": name}, **call} for number, name in enumerate(names)
    ]
    actions.append({"name": "b", "alert": {"alertname": "FeatureDrift", "model": "frod"}, **call})
    file = actions_file(tmp_path, *actions)
    done = run("check", CONTRACT, file)
    assert done.exit_code == 2
    first, second = done.stderr.splitlines()
    assert first.startswith(f"{file}:9:18: no alert has the name 'FeatureDrfit', expected one of")
    assert first.endswith("did you mean 'FeatureDrift'?")
    assert "no ModelSLO file is of the model 'frod', expected one of fraud; did you mean 'fraud'?" in second
    # Nothing is generated there yet, which is all that is found.
    assert run("check", CONTRACT, actions_file(tmp_path, *actions[1:3])).exit_code == 1
