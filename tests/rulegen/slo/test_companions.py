"""Alerts about what the promises rest on: told once, at a tier of choice."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from mlslo.yamlfile import Duration
from rulegen.cli import main
from rulegen.slo.companions.dependencies import Demand, needed, soonest
from tests.support.paths import CONTRACT, ZOO
from tests.support.tools import tool

SPEC = ZOO / "companions.yaml"
ROUTING = CONTRACT / "routing.yaml"


def generate(out: Path, *specs: Path) -> Result:
    return CliRunner().invoke(main, ["generate", *map(str, specs), "--out", str(out)])


def alerts(out: Path, name: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((out / "rules" / f"{name}.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("companions")
    result = generate(out, SPEC, ROUTING)
    assert result.exit_code == 0, result.stderr
    return out


def test_promtool_passes_every_generated_test(generated: Path) -> None:
    tests = sorted((generated / "rules").glob("comp*_test.yaml"))
    done = subprocess.run([tool("promtool"), "test", "rules", *tests], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_cause_is_one_alert_of_the_model_for_each_tier_that_hears_of_it_sooner(generated: Path) -> None:
    about = [alert for alert in alerts(generated, "comp") if alert["labels"]["layer"] == "meta"]
    told = [(alert["alert"], alert["labels"]["slo"], alert["labels"]["tier"]) for alert in about]
    assert told == [
        # One SLO wants a P1 after 6 minutes, others a P2 after 4; a P3 after 4 would tell nobody anything.
        ("ModelMonitorStale", "monitor", "P1"),
        ("ModelMonitorAbsent", "monitor", "P1"),
        ("ModelMonitorStale", "monitor", "P2"),
        ("ModelMonitorAbsent", "monitor", "P2"),
        ("ModelLabelsStale", "monitor.labels", "P1"),
        ("ModelLabelsStale", "monitor.labels", "P2"),
        ("ModelSinkDown", "monitor.sinks", "P2"),
        ("ModelSinkBehind", "monitor.sinks", "P3"),
        ("ModelReferenceOld", "monitor.references", "P3"),
        ("ModelFeaturesUnmonitored", "monitor.features", "P3"),
        ("ModelFieldMissing", "monitor.fields", "P3"),
    ]
    ages = [re.findall(r"> (\d+)$", alert["expr"]) for alert in about if alert["alert"] == "ModelLabelsStale"]
    assert ages == [["21600"], ["7200"]]


def test_each_slo_hears_at_its_own_tier_that_it_is_not_measured(generated: Path) -> None:
    found = {
        alert["labels"]["slo"]: (alert["labels"]["tier"], alert["for"])
        for alert in alerts(generated, "comp")
        if alert["alert"] == "SLONoData"
    }
    assert found == {
        "availability": ("P2", "4m"),
        "drift": ("P3", "4m"),
        "recall": ("P1", "6m"),
        "auc": ("P2", "4m"),
        "feedback": ("P2", "4m"),
    }


def test_nothing_urgent_waits_for_what_is_told_less_urgently(generated: Path) -> None:
    """A P1 that something is not measured is not kept quiet by a P2 that a sink is down."""
    by_slo = {
        alert["labels"]["slo"]: alert["expr"]
        for alert in alerts(generated, "comp")
        if alert["alert"] == "SLONoData"
    }
    assert "ml_sink_up" not in by_slo["recall"]
    assert "> 21600" in by_slo["recall"]
    assert 'ml_sink_up{model="comp \\"quoted\\"",sink="predictions"}' in by_slo["drift"]
    assert 'ml_sink_up{model="comp \\"quoted\\""}' in by_slo["auc"]


def test_routing_silences_only_the_same_cause(generated: Path) -> None:
    rules = yaml.safe_load((generated / "alertmanager" / "alertmanager.yaml").read_text())["inhibit_rules"]
    labels = [
        rule for rule in rules if any("ModelLabelsStale" in matcher for matcher in rule["source_matchers"])
    ]
    assert labels
    assert all(rule["equal"] == ["model", "slo"] for rule in labels)


def test_the_contract_has_the_companions_it_had(tmp_path: Path) -> None:
    result = generate(tmp_path, CONTRACT)
    assert result.exit_code == 0
    found = alerts(tmp_path, "fraud")
    about = [
        (alert["alert"], alert["labels"]["slo"]) for alert in found if alert["labels"]["layer"] == "meta"
    ]
    assert about == [("ModelMonitorStale", "monitor"), ("ModelMonitorAbsent", "monitor")]
    missing = [alert["expr"] for alert in found if alert["alert"] == "SLONoData"]
    assert len(missing) == len(yaml.safe_load((CONTRACT / "fraud.slo.yaml").read_text())["spec"]["slos"])
    assert not any("unless" in expression for expression in missing)


def test_demands() -> None:
    """What is told at once to somebody more urgent needs no second alert."""

    def demand(tier: str, after: str) -> Demand:
        return Demand(tier, Duration(after))

    asked = [
        demand("P2", "1h"),
        demand("P1", "2h"),
        demand("P3", "1h"),
        demand("P2", "30m"),
        demand("P3", "5m"),
    ]
    assert needed(asked) == (demand("P1", "2h"), demand("P2", "30m"), demand("P3", "5m"))
    assert needed([demand("P2", "1h"), demand("P1", "1h")]) == (demand("P1", "1h"),)
    assert needed([]) == ()
    kept = needed(asked)
    assert soonest(kept, "P1") == Duration("2h")
    assert soonest(kept, "P3") == Duration("5m")
    assert soonest(kept, "P0") is None


# What is replaced by what; where the message points, after the bar; what it says.
MISTAKES = [
    (
        "noData: {tier: P3}",
        "noData: {tier: P7}",
        "{tier: |P7}",
        "unknown tier 'P7', routing.yaml has P1, P2, P3",
    ),
    ("noData: {tier: P3}", "noData: {}", "noData: |{}", "expected at least one of tier, after"),
    (
        "  noData: {tier: P2, after: 4m}\n",
        "",
        "noData: |{tier: P3}",
        "missing key 'after': the file has no spec.noData to take it from",
    ),
    (
        "noData: {tier: P3}",
        "labelsStale: {tier: P3}",
        "|labelsStale: {tier: P3}",
        "labelsStale is for what needs labels, 'drift' measures nothing that does",
    ),
    (
        "    labelsStale: {tier: P2, after: 6h}\n",
        "",
        "labelsStale: |{tier: P1}",
        "missing key 'after': the file has no spec.companions.labelsStale to take it from",
    ),
    (
        "atLeastRatio: 0.2",
        "atLeastRatio: 20",
        "atLeastRatio: |20",
        "expected less than or equal to 1, got 20",
    ),
    ("sinkDown: {tier: P2, after: 3m}", "sinkDown: {tier: P2}", "sinkDown: |{", "missing key 'after'"),
    (
        "sinkDown: {tier: P2, after: 3m}",
        "sinkDown: {tier: P2, after: 1y}",
        "after: |1y",
        "expected at most 13d21h20m, 20000 evaluations, got 1y",
    ),
    (
        "sinkBehind: {tier: P3, after: 5m}",
        "sinkBehind: {tier: P3, after: 90s}",
        "after: |90s",
        "expected two evaluations or more, one is every 1m",
    ),
    ("sinkDown", "sinkLost", "|sinkLost", "unknown key 'sinkLost'"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[3][:30])
def test_a_mistake_is_named_with_its_place(tmp_path: Path, mistake: tuple[str, str, str, str]) -> None:
    old, new, where, message = mistake
    text = SPEC.read_text()
    assert old in text
    path = tmp_path / "comp.yaml"
    changed = text.replace(old, new, 1)
    path.write_text(changed)
    result = generate(tmp_path / "out", path, ROUTING)
    assert (result.exit_code, result.stdout) == (2, "")
    before = changed[: changed.index(where.replace("|", "")) + where.index("|")]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    assert result.stderr.splitlines()[0].startswith(f"{path}:{line}:{column}: {message}")
    assert not (tmp_path / "out").exists()


def test_companions_are_held_to_the_monitor(tmp_path: Path) -> None:
    """What the monitor does not read cannot be old or down."""
    monitor = yaml.safe_load((CONTRACT / "fraud.monitor.yaml").read_text())
    spec = yaml.safe_load((CONTRACT / "fraud.slo.yaml").read_text())
    spec["spec"]["companions"] = {
        "labelsStale": {"tier": "P2", "after": "1d"},
        "referenceOld": {"tier": "P3", "after": "90d"},
        "unmonitored": {"tier": "P3", "atLeastRatio": 0.5},
    }
    spec["spec"]["slos"] = [slo for slo in spec["spec"]["slos"] if slo["name"] == "traffic"]
    spec["spec"]["slos"][0]["noData"] = {"after": "60s"}
    del monitor["spec"]["labels"]["fields"]["timestamp"]
    del monitor["spec"]["references"]
    del monitor["spec"]["predictions"]["fields"]["features"]
    del monitor["spec"]["segments"], monitor["spec"]["fairness"], monitor["spec"]["features"]
    paths = [tmp_path / "slo.yaml", tmp_path / "monitor.yaml"]
    for path, data in zip(paths, (spec, monitor), strict=True):
        path.write_text(yaml.safe_dump(data, sort_keys=False))
    result = generate(tmp_path / "out", *paths, ROUTING)
    assert result.exit_code == 2
    said = [line.split(": ", 1)[1] for line in result.stderr.splitlines()]
    assert sorted(said) == [
        "expected longer than the monitor's schedule of 60s, or it is late all the time [always-fires]",
        "monitor.yaml has no references",
        "monitor.yaml reads no features",
        "monitor.yaml reads no timestamp of labels: nobody knows how old they are",
    ]
