"""What SECURITY.md promises, beyond what other tests hold: each door, and what must not come through it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.daemon.models import load_all
from exporter.references.configured import path_of_version
from exporter.web import config
from mlslo.yamlfile import InputError
from rulegen.cli import main as rulegen
from tests.exporter.daemon.test_daemon import daemon
from tests.support.logs import monitor, value, write_lines, write_monitor
from tests.support.paths import DIABETES, ROOT

SECRET = "Hunter2Hunter2"
NAMES = ["../../evil", "..", "/tmp/evil", "a/../../evil", ".evil"]


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import yaml\nyaml.load(open('x'), yaml.Loader)\n", "S506"),
        ("import pickle\npickle.loads(b'')\n", "S301"),
        ("eval('1')\n", "S307"),
        ("exec('1')\n", "S102"),
        ("import subprocess\nsubprocess.run('ls', shell=True)\n", "S602"),
        ("import ssl\nssl._create_unverified_context()\n", "S323"),
        ("import jinja2\njinja2.Environment()\n", "S701"),
    ],
)
def test_the_linter_refuses_what_runs_what_it_reads(code: str, rule: str) -> None:
    """`scripts/check` runs the linter over all of the code; here it is seen to look for these."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise"]
    options = ["--select", rule, "--stdin-filename", "exporter/new.py", "-"]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, input=code, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert rule in done.stdout
    configured = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"{rule}"' in configured


@pytest.mark.parametrize(
    "text",
    [
        f"basic_auth_users: {{prometheus: {SECRET}}}",
        f"basic_auth_users: {SECRET}",
        f"basic_auth_users: [{SECRET}]",
        f"basic_auth_users: {{prometheus: [{SECRET}]}}",
        f"basic_auth_users: {{prometheus: {SECRET}: x}}",
        f'basic_auth_users: {{prometheus: "{SECRET}}}',
        f"basic_auth_users:\n  {SECRET}",
        f"basic_auth_users: {{a: x, a: {SECRET}}}",
        f"basic_auth_user: {{prometheus: {SECRET}}}",
        f"tls_server_config: {SECRET}",
        SECRET,
        f"- {SECRET}",
    ],
)
def test_a_wrong_web_configuration_does_not_show_its_secrets(text: str, tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        config.load(path)
    assert SECRET not in str(refused.value)
    assert f"{path}:" in str(refused.value)


def test_a_password_of_digits_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text("basic_auth_users: {prometheus: 20471103}\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected text, got another value"):
        config.load(path)


@pytest.mark.parametrize(
    "receiver",
    [
        f"pagerduty_configs: [{{routing_key: {SECRET}}}]",
        f"pagerduty_configs: [{{routing_key: [{SECRET}]}}]",
        f"pagerduty_configs: {SECRET}",
        f'slack_configs: [{{api_url: "https://hooks.example/{SECRET}", channel: a}}]',
        f'webhook_configs: [{{url: "http://user:{SECRET}@host/"}}]',
        f"webhook_configs: [{{url: 'http://h', http_config: {{authorization: {{credentials: {SECRET}}}}}}}]",
        f"webhook_configs: [{{url: 'http://h', http_config: {{basic_auth: {{username: a, password: {SECRET}}}}}}}]",
    ],
)
def test_a_secret_in_a_routing_file_is_neither_taken_nor_shown(receiver: str, tmp_path: Path) -> None:
    text = (DIABETES / "routing.yaml").read_text(encoding="utf-8")
    good = "pagerduty_configs: [{routing_key_file: /etc/alertmanager/secrets/pagerduty}]"
    assert good in text
    (tmp_path / "routing.yaml").write_text(text.replace(good, receiver), encoding="utf-8")
    arguments = [str(DIABETES / "slo.yaml"), str(tmp_path / "routing.yaml"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(rulegen, ["generate", *arguments])
    assert done.exit_code == 2, done.output
    assert SECRET not in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["name", "model"])
def test_the_name_of_an_slo_file_writes_nothing_outside_of_its_folder(
    name: str, key: str, tmp_path: Path
) -> None:
    text = (
        (DIABETES / "slo.yaml")
        .read_text(encoding="utf-8")
        .replace(f"  {key}: diabetes\n", f"  {key}: {name}\n")
    )
    out = tmp_path / "a" / "b" / "out"
    (tmp_path / "slo.yaml").write_text(text, encoding="utf-8")
    arguments = [str(tmp_path / "slo.yaml"), str(DIABETES / "routing.yaml"), "--out", str(out)]
    before = set(tmp_path.rglob("*"))
    done = CliRunner().invoke(rulegen, ["generate", *arguments])
    written = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert all(path.is_relative_to(out) for path in written), written
    assert done.exit_code == 2 or key == "model", done.output
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_model_keeps_its_state_in_the_state_folder(name: str, tmp_path: Path) -> None:
    folder, state = tmp_path / "model", tmp_path / "a" / "state"
    write_lines(folder / "logs/predictions.jsonl", [])
    state.mkdir(parents=True)
    content = {**monitor(), "metadata": {"name": name}}
    (model,) = load_all([write_monitor(folder, content)])
    before = set(tmp_path.rglob("*"))
    model.open(state).close()
    written = set(tmp_path.rglob("*")) - before
    assert written
    assert all(path.parent == state for path in written), written


@pytest.mark.parametrize("version", ["../../evil", "..", "/tmp/evil", "a/b", "a\0b", ""])
def test_the_version_of_a_record_names_no_file_elsewhere(version: str, tmp_path: Path) -> None:
    """Whoever writes the log chooses the version, and the version chooses the file of its reference."""
    content = monitor(references={"training": {"static": "references/{version}"}})
    (model,) = load_all([write_monitor(tmp_path, content)])
    assert path_of_version(model.monitor, "training", version) is None
    assert path_of_version(model.monitor, "training", "1.0") == tmp_path / "references" / "1.0"


def test_no_page_shows_a_record(tmp_path: Path) -> None:
    """Labels are versions, classes, codes, and the values of segments and attributes that the monitor file names."""
    now = time.time() - 60
    hidden = ["Id", "Text", "Number", "Other", "Broken", "Time", "Score", "Label"]
    good = [
        {
            "ts": now + number / 10,
            "id": f"{SECRET}Id{number}",
            "version": "v1",
            "status": 200,
            "latency_ms": 20.0,
            "score": 0.25,
            "prediction": 0,
            "features": {"note": f"{SECRET}Text", "amount": number, "group": f"group{number % 2}"},
            "other": f"{SECRET}Other",
        }
        for number in range(40)
    ]
    bad = [
        f'{{"ts": {now}, "broken": "{SECRET}Broken',
        {**good[0], "id": "bad1", "ts": f"{SECRET}Time"},
        {**good[0], "id": "bad2", "score": f"{SECRET}Score"},
        {**good[0], "id": "bad3", "features": {"amount": f"{SECRET}Number"}},
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", [*good, *bad])
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": good[0]["id"], "label": f"{SECRET}Label", "ts": now}])
    features = {"note": {"type": "text"}, "amount": {"type": "numeric"}, "group": {"type": "categorical"}}
    write_monitor(tmp_path, monitor(features=features, segments=["features.group"]))
    with daemon(tmp_path) as running:
        running.wait_for(lambda gauges: bool(value(gauges, "ml_predictions_total", version="v1")))
        pages = [running.get(path)[1] for path in ("/metrics", "/", "/-/healthy", "/-/ready", "/other")]
    assert "group1" in pages[0], "the value of a segment is a label"
    for word in hidden:
        assert not [page for page in pages if SECRET + word in page], word
    assert json.dumps(pages).count(SECRET) == 0
