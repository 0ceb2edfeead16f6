"""`mlslo-rulegen simulate`: who is told what, and what it answers to a scenario that cannot be."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from mlslo.yamlfile import parse
from rulegen.cli import main
from rulegen.simulation.alertmanagerfile import readable
from tests.support.paths import CONTRACT

SPECS = [CONTRACT / "fraud.slo.yaml", CONTRACT / "routing.yaml"]
IN_A_BASE = yaml.safe_load((Path(__file__).with_name("test_simulate_base.yaml")).read_text())
MISTAKES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())

OUTAGE = """\
apiVersion: mlslo/v1
kind: AlertScenario
metadata: {name: outage}
spec:
  start: 2026-10-19T10:00
  location: Europe/Berlin
  length: 4h
  alerts:
    - {alert: ConceptDrift, model: fraud, slo: auc, from: 20m, until: 1h30m}
    - {alert: NoPredictions, from: 1h, until: 2h}
    - {alert: FeatureDrift, labels: {feature: amount}, from: 10m, until: 3h, gaps: [{from: 40m, until: 50m}]}
  silences:
    - {matchers: ['slo="traffic"'], from: 1h30m, until: 1h40m}
  unreachable:
    - {from: 3h30m, until: 3h40m}
  expect:
    notified:
      - {receiver: risk-oncall, alert: NoPredictions, status: firing, from: 1h, until: 1h2m, times: 1}
    notNotified:
      - {receiver: oncall}
    heldBack:
      - {alert: ConceptDrift, because: inhibited}
"""


def simulate(tmp_path: Path, text: str, *options: str) -> Result:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    return CliRunner().invoke(main, ["simulate", *map(str, SPECS), "--scenario", str(path), *options])


def simulated(tmp_path: Path, text: str) -> dict[str, Any]:
    result = simulate(tmp_path, text, "--format", "json")
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_a_scenario_that_comes_out_as_expected(tmp_path: Path) -> None:
    result = simulate(tmp_path, OUTAGE)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "outage: 4h from Mon 19 Oct 2026 10:00:00 CEST (Europe/Berlin)"
    page = "Mon 19 Oct 11:00:30 CEST +1h30s risk-oncall (pagerduty[0]) firing model=fraud slo=traffic NoPredictions"
    assert page in lines
    kept = (
        "Mon 19 Oct 11:00:30 CEST to 11:25:30 CEST ml-slack model=fraud slo=auc ConceptDrift "
        "inhibited by NoPredictions (fraud traffic)"
    )
    assert kept in lines
    # Ended more than 15 minutes before the outage did: nobody hears of it.
    left = "ml-slack (slack[0]) model=fraud slo=auc ConceptDrift last told that it fires Mon 19 Oct 10:20:30 CEST"
    assert lines[-1] == left
    again = simulate(tmp_path, OUTAGE)
    assert again.stdout == result.stdout


def test_data_has_every_message_and_every_look(tmp_path: Path) -> None:
    found = simulated(tmp_path, OUTAGE)
    assert found["start"] == "2026-10-19T10:00:00+02:00"
    digest = [message for message in found["notifications"] if message["receiver"] == "ml-digest"]
    # A gap resolves it, and its `for` of an hour has to pass again.
    assert [(message["seconds"] / 60, message["status"]) for message in digest] == [
        (10.5, "firing"),
        (40.5, "resolved"),
        (120.5, "firing"),
        (180.5, "resolved"),
    ]
    labels = digest[0]["firing"][0]
    assert labels["feature"] == "amount"
    assert labels["team"] == "risk"
    assert labels["tier"] == "P3"
    silenced = [held for held in found["heldBack"] if held["because"] == "silenced"]
    assert {held["by"][0] for held in silenced} == {'slo="traffic"'}
    assert {held["receiver"] for held in silenced} == {"risk-oncall", "ml-slack"}


def test_an_end_is_told_where_what_hid_it_is_over_within_15_minutes(tmp_path: Path) -> None:
    """Prometheus repeats ends, so that Alertmanager hears of one again after it has let it go."""

    def told(end: str) -> list[str]:
        found = simulated(tmp_path, OUTAGE.replace("until: 1h30m}", f"until: {end}}}"))
        slo = [message for message in found["notifications"] if message["groupLabels"].get("slo") == "auc"]
        return [message["status"] for message in slo]

    assert told("1h30m") == ["firing"]
    assert told("1h50m") == ["firing", "resolved"]


def test_the_watchdog_is_counted_and_its_silence_measured(tmp_path: Path) -> None:
    result = simulate(tmp_path, OUTAGE)
    (line,) = [line for line in result.stdout.splitlines() if "Watchdog" in line]
    # It is over four minutes after the last word of it, and back with the first look afterwards.
    assert "dead-mans-switch (webhook[0]): Watchdog" in line
    assert "longest silence 8m59s from Mon 19 Oct 13:31:01 CEST on" in line


def test_clocks_that_are_put_back_during_a_mute(tmp_path: Path) -> None:
    """The Sunday of 25 hours: messages go by time that has passed, the mute from 22:00 to 02:00 by clocks."""
    text = """\
apiVersion: mlslo/v1
kind: AlertScenario
metadata: {name: clocks}
spec:
  start: 2026-10-25T01:30:00+02:00
  location: Europe/Berlin
  length: 48h
  alerts: [{alert: FeaturesDrifting, from: 0s}]
"""
    found = simulated(tmp_path, text)
    drift = [message["time"] for message in found["notifications"] if message["receiver"] == "ml-slack"]
    assert drift[0] == "2026-10-25T01:30:30+02:00"
    # Four hours and five minutes later clocks have moved by an hour less.
    assert drift[1] == "2026-10-25T04:35:30+01:00"
    muted = [held["time"] for held in found["heldBack"] if held["because"] == "muted"]
    assert muted[0] == "2026-10-25T22:00:30+01:00"
    assert muted[-1] == "2026-10-26T01:55:30+01:00"


def test_what_is_expected_and_does_not_happen(tmp_path: Path) -> None:
    text = OUTAGE
    for old, new in (
        ("times: 1", "times: 2"),
        ("{receiver: oncall}", "{receiver: ml-slack, alert: ConceptDrift}"),
        ("because: inhibited", "because: muted"),
    ):
        text = text.replace(old, new)
    result = simulate(tmp_path, text)
    path = tmp_path / "scenario.yaml"
    assert result.exit_code == 1
    assert "NoPredictions" in result.stdout
    assert result.stderr.splitlines() == [
        f"{path}:18:9: expected a message to risk-oncall that NoPredictions fires twice, it was sent once",
        f"{path}:20:9: expected no message to ml-slack about ConceptDrift, ml-slack was told after 20m30s",
        f"{path}:22:9: expected ConceptDrift to be held back (muted), it was not",
    ]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["said"][:40])
def test_a_mistake_is_named_with_its_place(tmp_path: Path, mistake: dict[str, Any]) -> None:
    old, new = mistake["replace"], mistake["by"]
    assert old in OUTAGE
    text = OUTAGE.replace(old, new, 1)
    result = simulate(tmp_path, text)
    prefix = f"{tmp_path / 'scenario.yaml'}:"
    (line,) = result.stderr.splitlines()
    at = mistake["at"]
    number = next(index for index, row in enumerate(text.splitlines(), 1) if at in row)
    column = text.splitlines()[number - 1].index(at) + 1
    assert (result.exit_code, result.stdout) == (2, "")
    assert line == f"{prefix}{number}:{column}: {mistake['said']}"


@pytest.mark.parametrize("grouped", ["[model, slo, feature]", '["..."]'])
def test_a_label_that_grouping_goes_by_must_be_said(grouped: str, tmp_path: Path) -> None:
    routing = tmp_path / "routing.yaml"
    text = (CONTRACT / "routing.yaml").read_text()
    routing.write_text(text.replace("groupBy: [model, slo]", f"groupBy: {grouped}"))
    path = tmp_path / "scenario.yaml"
    path.write_text(OUTAGE.replace("labels: {feature: amount}, ", ""))
    arguments = ["simulate", str(CONTRACT / "fraud.slo.yaml"), str(routing), "--scenario", str(path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert (
        f"{path}:11:7: groupBy goes by the label 'feature': say which under labels"
        in result.stderr.splitlines()
    )


def test_scenarios_may_stand_beside_the_specs(tmp_path: Path) -> None:
    for path in SPECS:
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "outage.yaml").write_text(OUTAGE)
    scenario = str(tmp_path / "outage.yaml")
    result = CliRunner().invoke(
        main, ["simulate", str(tmp_path), "--scenario", scenario, "--scenario", scenario]
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.count("outage: 4h from") == 2


@pytest.mark.slow
def test_weeks_are_played_in_seconds(tmp_path: Path) -> None:
    text = OUTAGE.split("  silences:")[0].replace("length: 4h", "length: 31d").replace(", until: 2h}", "}")
    found = simulated(tmp_path, text)
    pages = [message for message in found["notifications"] if message["receiver"] == "risk-oncall"]
    # Every 4h5m: at the first look more than 4h after the message before.
    assert len(pages) == -(-(31 * 24 - 1) * 60 // 245)
    first, second = (datetime.fromisoformat(message["time"]) for message in pages[:2])
    assert (second - first).total_seconds() == 245 * 60


OTHERS = """\
route: {receiver: ops, group_by: [cluster]}
receivers: [{name: ops, webhook_configs: [{url: "http://ops.example.org/"}]}]
inhibit_rules:
  - {source_match: {severity: critical}, target_match_re: {severity: "warning|info"}, equal: [team]}
"""
# Of another SLO and no other layer: nothing of ours holds it back.
BESIDE = """\
apiVersion: mlslo/v1
kind: AlertScenario
metadata: {name: beside}
spec:
  start: 2026-10-19T10:00:00Z
  length: 2h
  alerts:
    - {alert: ErrorBudgetFastBurn, slo: availability, from: 10m}
    - {alert: PredictionVolumeAnomaly, from: 20m}
  expect: {heldBack: [{alert: PredictionVolumeAnomaly, receiver: ml-slack, because: inhibited}]}
"""


def test_what_others_keep_in_the_same_alertmanager_counts(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(OTHERS)
    alone = simulate(tmp_path, BESIDE)
    assert alone.exit_code == 1
    assert "expected PredictionVolumeAnomaly to be held back (inhibited), it was not" in alone.stderr
    among = simulate(tmp_path, BESIDE, "--base", str(base))
    assert (among.exit_code, among.stderr) == (0, "")


@pytest.mark.parametrize("mistake", IN_A_BASE, ids=lambda mistake: mistake["said"][:40])
def test_what_alertmanager_would_not_understand_has_its_place(
    mistake: dict[str, str], tmp_path: Path
) -> None:
    text = (CONTRACT.parent / "damage" / "originals" / "alertmanager.yaml").read_text()
    assert mistake["replace"] in text
    base = tmp_path / "base.yaml"
    before, _, after = text.replace(mistake["replace"], mistake["by"], 1).partition("§")
    base.write_text(before + after)
    wrong = simulate(tmp_path, OUTAGE, "--base", str(base))
    place = f"{base}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    assert (wrong.exit_code, wrong.stdout, wrong.stderr) == (2, "", f"{place}: {mistake['said']}\n")
    assert base.read_text() != text


def test_words_for_true_and_false_are_those_of_alertmanager() -> None:
    """It reads an older YAML, in which `no` is no text."""
    text = (
        "route: {receiver: a, continue: no}\nreceivers: [{name: a, slack_configs: [{send_resolved: On}]}]\n"
    )
    data = readable(parse(Path("base.yaml"), text))
    assert (data["route"]["continue"], data["receivers"][0]["slack_configs"]) == (
        False,
        [{"send_resolved": True}],
    )


JOINING = """\
apiVersion: mlslo/v1
kind: AlertScenario
metadata: {name: joining}
spec:
  start: 2026-10-19T10:00Z
  length: 30m
  alerts:
    - {alert: FeatureDrift, labels: {feature: a}, from: 10m}
    - {alert: FeatureDrift, labels: {feature: b}, from: 2m}
  unreachable:
    - {from: 1m, until: 10m}
"""


def test_it_plays_the_version_of_alertmanager_that_is_asked_for(tmp_path: Path) -> None:
    """By itself the newest of the target. Before 0.30 an old alert that joins a group has it flushed at once."""

    def first(*options: str) -> str:
        result = simulate(tmp_path, JOINING, "--format", "json", *options)
        assert result.exit_code == 0, result.output
        (found,) = json.loads(result.stdout)
        return str(min(one["time"] for one in found["notifications"] if "FeatureDrift" in json.dumps(one)))

    assert first() == first("--alertmanager", "0.33") == "2026-10-19T10:10:30+00:00"
    assert first("--alertmanager", "0.25") == "2026-10-19T10:10:00+00:00"


def test_a_version_that_is_none_is_refused(tmp_path: Path) -> None:
    refused = simulate(tmp_path, JOINING, "--alertmanager", "new")
    assert refused.exit_code == 2
    assert "expected a version such as" in refused.stderr
