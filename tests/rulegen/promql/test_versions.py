"""Gates: what a target does not know is refused with its place, or written as that target knows it."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from mlslo.yamlfile import InputError
from rulegen import alertmanager
from rulegen.cli import main
from rulegen.promql.versions import (
    ACTIVE_DURING,
    KEEP_FIRING_FOR,
    LOCATION,
    OLDEST,
    TIME_INTERVALS,
    Gate,
    at_least,
)
from rulegen.spec import routing
from rulegen.spec.integrations import INTEGRATIONS, Keys
from tests.rulegen.alertmanager.test_configuration import amtool
from tests.support.paths import CONTRACT, ROOT
from tests.support.tools import tool

WATCHDOG = {"dead-mans-switch": {"webhook_configs": [{"url": "http://127.0.0.1/"}]}}


def before(version: str) -> str:
    """The newest version that is older, 0.24.99 for 0.25."""
    first, second = version.split(".")
    return f"{first}.{int(second) - 1}.99"


def written(spec: dict[str, Any], folder: Path) -> Path:
    document = {"apiVersion": "mlslo/v1", "kind": "AlertRouting", "metadata": {"name": "any"}, "spec": spec}
    path = folder / "routing.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def said(spec: dict[str, Any], folder: Path) -> list[str]:
    """What is said against a file, each after its place."""
    path = written(spec, folder)
    try:
        routing.load(path)
    except InputError as error:
        return [problem.message for problem in error.problems]
    return []


def spec_of(target: str, **more: Any) -> dict[str, Any]:
    return {
        "target": {"alertmanager": target},
        "tiers": {"P1": {"severity": "critical", "receivers": ["dead-mans-switch"], **more.pop("tier", {})}},
        "receivers": {**WATCHDOG, **more.pop("receivers", {})},
        **more,
    }


def generated(folder: Path, **targets: str) -> Result:
    text = (CONTRACT / "routing.yaml").read_text()
    for program, version in targets.items():
        text = re.sub(rf'{program}: "[0-9.]+"', f'{program}: "{version}"', text)
    (folder / "routing.yaml").write_text(text)
    arguments = [CONTRACT / "fraud.slo.yaml", folder / "routing.yaml", "--out", folder / "out"]
    return CliRunner().invoke(main, ["generate", *map(str, arguments)])


@pytest.mark.parametrize(
    ("version", "minimum", "holds"),
    [("0.25", "0.25", True), ("0.9", "0.25", False), ("2.42.1", "2.42", True), ("3.0", "2.53", True)],
)
def test_versions_compare_by_number(version: str, minimum: str, holds: bool) -> None:
    assert at_least(version, minimum) is holds


def test_a_prometheus_that_cannot_hold_an_alert_through_a_gap_is_not_asked_to(tmp_path: Path) -> None:
    late = before(KEEP_FIRING_FOR.since)
    found = generated(tmp_path, prometheus=late)
    message = f"keepFiringFor needs Prometheus {KEEP_FIRING_FOR.since}, target.prometheus is {late}"
    assert (found.exit_code, found.stderr) == (2, f"{CONTRACT}/fraud.slo.yaml:68:11: {message}\n")
    assert generated(tmp_path, prometheus=KEEP_FIRING_FOR.since).exit_code == 0


INTERVAL = {"night": {"weekdays": ["monday"], "times": ["00:00-06:00"]}}


@pytest.mark.parametrize(
    ("gate", "more"),
    [
        (ACTIVE_DURING, {"tier": {"activeDuring": ["night"]}, "timeIntervals": INTERVAL}),
        (LOCATION, {"timeIntervals": {"night": {**INTERVAL["night"], "location": "Europe/Berlin"}}}),
    ],
    ids=lambda value: value.what if isinstance(value, Gate) else "",
)
def test_an_older_alertmanager_is_refused_what_it_does_not_know(
    gate: Gate, more: dict[str, Any], tmp_path: Path
) -> None:
    late = before(gate.since)
    refused = said(spec_of(late, **more), tmp_path)
    expected = f"{gate.what} needs Alertmanager {gate.since}, target.alertmanager is {late}"
    assert len(refused) == 1
    assert refused[0].startswith(expected)
    assert said(spec_of(gate.since, **more), tmp_path) == []


def gated(keys: Keys, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Gate]]:
    """The path of each key that the oldest target does not know, and its gate."""
    path = (*path, keys.name)
    if len(path) == 1:
        yield path, keys.gate()
    for key, one in keys.keys.items():
        yield (*path, key), keys.gate(key)
        if one.inner is not None:
            yield from gated(one.inner, path)


# Mappings inside of several integrations, once.
GATED = {
    gate.what: (path, gate)
    for keys in INTEGRATIONS.values()
    for path, gate in gated(keys)
    if gate.since != OLDEST["Alertmanager"]
}


@pytest.mark.parametrize(("path", "gate"), GATED.values(), ids=lambda value: str(value)[:60])
def test_an_integration_or_its_key_is_refused_before_its_version_only(
    path: tuple[str, ...], gate: Gate, tmp_path: Path
) -> None:
    outer, *steps = path
    key = steps.pop() if steps else ""
    config: dict[str, Any] = {choice[0]: "x" for choice in INTEGRATIONS[outer].needs if "." not in choice[0]}
    at = config
    keys = INTEGRATIONS[outer]
    for step in steps:
        one = keys.keys[step]
        assert one.inner is not None
        keys = one.inner
        inner: dict[str, Any] = {}
        at[step] = {"list of": [inner], "by name": {"X-Any": inner}}.get(one.form, inner)
        at = inner
    if key:
        at[key] = "/etc/alertmanager/secrets/x"
    late = before(gate.since)

    def refused(version: str) -> list[str]:
        found = said(spec_of(version, receivers={"mine": {outer: [config]}}), tmp_path)
        return [message for message in found if message == gate.refusal(version)]

    if at_least(late, OLDEST["Alertmanager"]):
        assert len(refused(late)) == 1
    assert refused(gate.since) == []


def test_an_alertmanager_before_time_intervals_gets_them_as_it_knows_them(tmp_path: Path) -> None:
    """0.22 and 0.23 have `mute_time_intervals` alone; newer ones still read it, and refuse a name that is not there."""
    muted = {"timeIntervals": INTERVAL, "mute": [{"during": "night", "layers": ["data"]}]}
    for version, key in (
        (before(TIME_INTERVALS.since), "mute_time_intervals"),
        (TIME_INTERVALS.since, "time_intervals"),
    ):
        loaded = routing.load(written(spec_of(version, **muted), tmp_path))
        configuration = alertmanager.build(loaded, [])
        assert [name for name in configuration if "intervals" in name] == [key]
        assert [entry["name"] for entry in configuration[key]] == ["night"]
        (tmp_path / "alertmanager.json").write_text(json.dumps({**configuration, "templates": []}))
        amtool("check-config", str(tmp_path / "alertmanager.json"))


def test_a_latency_objective_can_rest_on_a_native_histogram(tmp_path: Path) -> None:
    """As docs/versions.md writes it. What it selects is not worked out, so its records have no test."""
    (sli,) = re.findall(r"(?ms)^```yaml\nsli:\n(.*?)^```", (ROOT / "docs" / "versions.md").read_text())
    spec = {
        "name": "latency", "layer": "service", "objective": 99, "timeWindow": "28d", "alerting": {"fast": "P1"},
        "sli": yaml.safe_load(sli),
    }  # fmt: skip
    document = {
        "apiVersion": "mlslo/v1", "kind": "ModelSLO", "metadata": {"name": "native"},
        "spec": {"model": "native", "slos": [spec], "noData": {"tier": "P2", "after": "15m"}},
    }  # fmt: skip
    path = tmp_path / "native.yaml"
    path.write_text(yaml.safe_dump(document))
    arguments = ["generate", str(path), str(CONTRACT / "routing.yaml"), "--out", str(tmp_path / "out")]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 0, found.stderr
    assert "[not-tested]" in found.stderr
    rules = tmp_path / "out" / "rules"
    commands: list[list[str | Path]] = [["check", "rules", rules / "native.yaml"]]
    commands.append(["test", "rules", *rules.glob("*_test.yaml")])
    for command in commands:
        done = subprocess.run([tool("promtool"), *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
