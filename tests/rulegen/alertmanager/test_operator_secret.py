"""generate --format operator, where routing is a Secret with the whole of alertmanager.yaml."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from examples.standins import PAGERDUTY, SLACK, Standins, headline
from tests.rulegen.alertmanager.test_configuration import amtool
from tests.rulegen.alertmanager.test_delivery import COLLAPSE, PATIENCE, alert, contract_for, firing
from tests.rulegen.alertmanager.test_operator_objects import run
from tests.support.alertmanagers import Alertmanager
from tests.support.crd_schemas import Schema
from tests.support.paths import TESTS as HERE

CONTRACT = HERE / "contract" / "routing.yaml"


def generate(routed: Path, out: Path, *more: object) -> Result:
    specs = (HERE / "contract" / "fraud.slo.yaml", routed)
    return run("generate", *specs, "--format", "operator", "--out", out, *more)


def contract_with(folder: Path, operator: str) -> Path:
    path = folder / "routing.yaml"
    path.write_text(f"{CONTRACT.read_text()}  operator: {operator}\n")
    return path


def carried(out: Path) -> dict[str, Any]:
    """What the Secret carries as alertmanager.yaml."""
    custom = yaml.safe_load((out / "alertmanager" / "mlslo.yaml").read_text())
    loaded: dict[str, Any] = yaml.safe_load(custom["stringData"]["alertmanager.yaml"])
    return loaded


def test_what_has_no_counterpart_is_refused_where_an_alertmanagerconfig_is_asked_for(tmp_path: Path) -> None:
    path = contract_with(tmp_path, "{namespace: monitoring, routing: AlertmanagerConfig}")
    found = generate(path, tmp_path / "out")
    assert (found.exit_code, (tmp_path / "out").exists()) == (2, False)
    said = "an AlertmanagerConfig has no location ('Europe/Berlin'), its times are UTC"
    way_out = "operator.routing: Secret has no such limit"
    assert found.stderr.splitlines() == [
        f"{path}:30:73: {said}; {way_out}",
        f"{path}:31:62: {said}; {way_out}",
    ]
    base = tmp_path / "base.yaml"
    base.write_text("route: {receiver: theirs}\nreceivers: [{name: theirs}]\n")
    found = generate(path, tmp_path / "out", "--base", base)
    assert (found.exit_code, (tmp_path / "out").exists()) == (2, False)
    assert found.stderr == (
        f"{path}:38:46: an AlertmanagerConfig stands beside what others keep; leave --base out, or say Secret\n"
    )


def test_the_contract_itself_becomes_a_secret_and_says_why(tmp_path: Path) -> None:
    """Times in Berlin, no namespace, no Secret named: all of it works, and is explained."""
    found = generate(CONTRACT, tmp_path, "--strict")
    assert found.exit_code == 0, found.stderr
    notes = [line.removeprefix(f"{CONTRACT}:") for line in found.stderr.splitlines()]
    assert [note.split(";")[0] for note in notes] == [
        "6:3: note: an AlertmanagerConfig needs operator.namespace: the operator routes by that label of an alert",
        "30:73: note: an AlertmanagerConfig has no location ('Europe/Berlin'), its times are UTC",
        "31:62: note: an AlertmanagerConfig has no location ('Europe/Berlin'), its times are UTC",
        "6:3: note: so routing is the Secret 'alertmanager-mlslo', the whole alertmanager.yaml, for configSecret of "
        "the Alertmanager object",
        "20:46: note: files right in /etc/alertmanager/secrets are keys of the Secret 'mlslo-receivers' "
        "(pagerduty, pagerduty-risk, slack)",
    ]
    text = (tmp_path / "alertmanager" / "mlslo.yaml").read_text()
    assert text.splitlines()[1:3] == [
        "# The Alertmanager object, in the same namespace, must say configSecret: alertmanager-mlslo, "
        "secrets: [mlslo-receivers].",
        "# The Secret mlslo-receivers must have the keys pagerduty, pagerduty-risk, slack.",
    ]
    custom = yaml.safe_load(text)
    assert {key: custom[key] for key in ("apiVersion", "kind", "metadata", "type")} == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "alertmanager-mlslo"},
        "type": "Opaque",
    }
    rules = yaml.safe_load((tmp_path / "rules" / "fraud.yaml").read_text())
    assert Schema.of("PrometheusRule").mistakes(rules) == []
    assert "namespace" not in rules["metadata"]


def test_a_secret_says_what_the_plain_file_says(tmp_path: Path) -> None:
    assert generate(CONTRACT, tmp_path / "objects").exit_code == 0
    specs = (HERE / "contract" / "fraud.slo.yaml", CONTRACT)
    assert run("generate", *specs, "--out", tmp_path / "plain").exit_code == 0
    plain = yaml.safe_load((tmp_path / "plain" / "alertmanager" / "alertmanager.yaml").read_text())
    ours = carried(tmp_path / "objects")
    ours["templates"] = [Path(path).name for path in ours["templates"]]
    moved = json.dumps(ours).replace("/secrets/mlslo-receivers/", "/secrets/")
    assert json.loads(moved) == plain
    custom = yaml.safe_load((tmp_path / "objects" / "alertmanager" / "mlslo.yaml").read_text())
    templates = {name: text for name, text in custom["stringData"].items() if name != "alertmanager.yaml"}
    assert templates == {
        path.name: path.read_text() for path in (tmp_path / "plain" / "alertmanager").glob("*.tmpl")
    }
    path = tmp_path / "alertmanager.yaml"
    path.write_text(custom["stringData"]["alertmanager.yaml"].replace("/etc/alertmanager/config/", ""))
    for name, text in templates.items():
        (tmp_path / name).write_text(text)
    amtool("check-config", str(path))


def test_a_secret_is_chosen_named_and_filled(tmp_path: Path) -> None:
    path = contract_with(
        tmp_path,
        "{namespace: ml, labels: {a: b}, routing: Secret, configSecret: alertmanager-main, secret: keys}",
    )
    text = path.read_text().replace("/etc/alertmanager/secrets/pagerduty-risk", "/run/keys/risk")
    path.write_text(text.replace("secrets/slack", "secrets/slack/url"))
    found = generate(path, tmp_path)
    assert (found.exit_code, found.stderr) == (0, "")
    custom = yaml.safe_load((tmp_path / "alertmanager" / "mlslo.yaml").read_text())
    assert custom["metadata"] == {"name": "alertmanager-main", "namespace": "ml", "labels": {"a": "b"}}
    files = {
        key: value
        for receiver in carried(tmp_path)["receivers"]
        for configs in receiver.values()
        if isinstance(configs, list)
        for config in configs
        for key, value in ((receiver["name"], config[key]) for key in config if key.endswith("_file"))
    }
    assert files == {
        "oncall": "/etc/alertmanager/secrets/keys/pagerduty",
        "risk-oncall": "/etc/alertmanager/secrets/keys/risk",
        "ml-slack": "/etc/alertmanager/secrets/slack/url",
        "ml-digest": "/etc/alertmanager/secrets/slack/url",
    }
    # Without a Secret named, a file elsewhere is the user's own mount.
    path.write_text(path.read_text().replace(", secret: keys", ""))
    found = generate(path, tmp_path)
    assert "22:46: note: '/run/keys/risk' is no key of a Secret" in found.stderr.replace(f"{path}:", "")
    assert carried(tmp_path)["receivers"][1]["pagerduty_configs"][0]["routing_key_file"] == "/run/keys/risk"


def test_two_files_are_not_one_key(tmp_path: Path) -> None:
    path = contract_with(tmp_path, "{secret: keys}")
    path.write_text(
        path.read_text().replace("secrets/pagerduty-risk", "risk/pagerduty").replace("secrets/slack", "a b")
    )
    found = generate(path, tmp_path / "out")
    assert (found.exit_code, (tmp_path / "out").exists()) == (2, False)
    assert [line.removeprefix(f"{path}:") for line in found.stderr.splitlines()] == [
        "22:46: '/etc/alertmanager/risk/pagerduty' and '/etc/alertmanager/secrets/pagerduty' would both be the key "
        "'pagerduty' of the Secret 'keys'; give /etc/alertmanager/secrets/<Secret>/<key>",
        *(
            f"{place}: 'a b' cannot be a key of a Secret, which takes letters, digits, '-', '_' and '.'"
            for place in ("24:38", "26:38")
        ),
    ]


def test_a_secret_keeps_what_others_wrote(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text("# theirs\nroute: {receiver: theirs}\nreceivers:\n  - name: theirs\n")
    path = contract_with(tmp_path, "{namespace: monitoring}")
    found = generate(path, tmp_path, "--base", base)
    assert found.exit_code == 0, found.stderr
    assert "no location" not in found.stderr
    custom = yaml.safe_load((tmp_path / "alertmanager" / "mlslo.yaml").read_text())
    text = custom["stringData"]["alertmanager.yaml"]
    assert text.startswith("# theirs\n")
    merged = carried(tmp_path)
    assert merged["route"]["receiver"] == "theirs"
    assert merged["route"]["routes"][0]["matchers"][1] == 'slo!=""'
    assert [receiver["name"] for receiver in merged["receivers"]][-1] == "theirs"
    config = tmp_path / "merged.yaml"
    config.write_text(text)
    amtool("check-config", str(config))


@pytest.mark.slow
def test_review_reads_a_secret(tmp_path: Path) -> None:
    path = contract_with(tmp_path, "{namespace: monitoring, routing: Secret}")
    assert generate(path, tmp_path).exit_code == 0
    path.write_text(
        path.read_text().replace(
            "P2: {severity: warning, receivers: [ml-slack]}",
            "P2: {severity: warning, receivers: [ml-slack, ml-digest]}",
        )
    )
    specs = (HERE / "contract" / "fraud.slo.yaml", path)
    asked = ("check", *specs, "--out", tmp_path, "--format", "operator", "--diff", "words")
    found = run(*asked)
    assert (found.exit_code, "P2: now also told: ml-digest" in found.stdout) == (1, True)
    (tmp_path / "alertmanager" / "mlslo.yaml").write_text("kind: Secret\nstringData: [broken\n")
    found = run(*asked)
    assert "alertmanager: not readable, all of it would be written anew" in found.stdout


@pytest.mark.chain
def test_a_pod_with_the_secret_tells_what_the_plain_file_tells(tmp_path: Path) -> None:
    """The Secrets are laid out as the operator mounts them, below another root."""
    pod = tmp_path / "pod"
    with Standins() as standins:
        path = contract_for(standins, tmp_path)
        written = yaml.safe_load(path.read_text())
        for receiver in written["spec"]["receivers"].values():
            for config in (config for configs in receiver.values() for config in configs):
                for key in (key for key in config if key.endswith("_file")):
                    config[key] = f"/etc/alertmanager/secrets/{Path(config[key]).name}"
        path.write_text(yaml.safe_dump(written))
        assert generate(path, tmp_path).exit_code == 0
        custom = yaml.safe_load((tmp_path / "alertmanager" / "mlslo.yaml").read_text())
        for folder in ("config", "config_out", "secrets/mlslo-receivers"):
            (pod / folder).mkdir(parents=True)
        for name in ("pagerduty", "pagerduty-risk", "slack"):
            (tmp_path / name).rename(pod / "secrets" / "mlslo-receivers" / name)
        for name, text in custom["stringData"].items():
            (pod / "config" / name).write_text(text)
        configuration = pod / "config_out" / "alertmanager.env.yaml"
        text = custom["stringData"]["alertmanager.yaml"]
        configuration.write_text(text.replace("/etc/alertmanager/", f"{pod}/"))
        with Alertmanager(configuration, tmp_path) as server:
            server.fire(alert(COLLAPSE, "one"))
            page = standins.wait_for(firing(PAGERDUTY, "one"), PATIENCE)
            message = standins.wait_for(firing(SLACK, "one"), PATIENCE)
            log = server.log
        refused = standins.refused
    assert "level=error" not in log, log
    assert refused == []
    # The texts are those of our templates, which the Secret brought.
    assert page.payload["routing_key"] == "b" * 32
    assert page.payload["payload"]["class"] == "ModelCollapse"
    assert "ModelCollapse" in headline(message)
