"""generate --base: our part of an alertmanager.yaml among what others keep there, and nothing of theirs touched."""

from pathlib import Path

import yaml

from rulegen import alertmanager
from tests.rulegen.alertmanager.test_configuration import CONTRACT, amtool
from tests.rulegen.commands.test_generate import SMALL
from tests.support.alertmanagers import Alertmanager
from tests.support.bases import BASE, merged, ours, routed, run, without_marked

OTHERS = (
    ["alertname=Any"],
    ["team=dba"],
    ["severity=page"],
    ["tier=P1", "model=m"],
    ["alertname=Watchdog", "severity=none"],
)


def test_every_byte_of_the_base_is_still_there(tmp_path: Path) -> None:
    result = merged(BASE, tmp_path)
    assert without_marked(result) == BASE
    data = yaml.safe_load(result)
    assert list(data) == [*yaml.safe_load(BASE), "templates", "time_intervals"]
    assert [route["receiver"] for route in data["route"]["routes"][1:]] == ["dba", "night"]


def test_again_on_its_own_outcome_changes_nothing_and_what_we_drop_goes(tmp_path: Path) -> None:
    first = merged(BASE, tmp_path)
    assert merged(first, tmp_path) == first
    document = yaml.safe_load(CONTRACT.read_text())
    del (
        document["spec"]["teams"],
        document["spec"]["receivers"]["risk-oncall"],
        document["spec"]["tiers"]["P3"],
    )
    document["spec"].update(timeIntervals={}, mute=[])
    later = merged(first, tmp_path, document)
    assert later == merged(BASE, tmp_path, document)
    assert "risk-oncall" not in later


def test_others_alerts_go_where_they_went_and_ours_to_ours(tmp_path: Path) -> None:
    (tmp_path / "before.yaml").write_text(BASE)
    after = tmp_path / "after.yaml"
    after.write_text(merged(BASE, tmp_path).replace("- mlslo", f"- {tmp_path}/mlslo"))
    for name, text in alertmanager.templates().items():
        (tmp_path / name).write_text(text)
    amtool("check-config", str(after))
    for labels in OTHERS:
        assert routed(after, labels) == routed(tmp_path / "before.yaml", labels)
    mine = ["model=fraud", "slo=auc", "layer=outcome"]
    assert routed(after, [*mine, "tier=P1", "team=risk"]) == "risk-oncall,ml-slack"
    assert routed(after, [*mine, "tier=P3", "severity=page"]) == "ml-digest"
    assert routed(after, ["alertname=Watchdog", "slo=watchdog", "layer=meta"]) == "dead-mans-switch"


def test_the_real_alertmanager_loads_it_and_groups_everybody_under_the_right_receiver(tmp_path: Path) -> None:
    document = yaml.safe_load(CONTRACT.read_text())
    for receiver in document["spec"]["receivers"].values():
        receiver.clear()
        receiver["webhook_configs"] = [{"url": "http://127.0.0.1:1/"}]
    path = tmp_path / "alertmanager.yaml"
    path.write_text(merged(BASE, tmp_path, document))
    for name, text in alertmanager.templates().items():
        (tmp_path / name).write_text(text)
    mine = {
        "alertname": "ModelCollapse",
        "model": "fraud",
        "slo": "collapse",
        "layer": "prediction",
        "tier": "P1",
    }
    others = {"alertname": "DiskFull", "team": "dba"}
    with Alertmanager(path, tmp_path) as server:
        server.fire({"labels": mine}, {"labels": others})
        told = {
            alert["labels"]["alertname"]: [one["name"] for one in alert["receivers"]]
            for alert in server.alerts()
        }
    assert told == {"ModelCollapse": ["oncall", "ml-slack"], "DiskFull": ["dba"]}


def test_check_and_generate_take_a_base_and_the_outcome_is_one(tmp_path: Path) -> None:
    (tmp_path / "small.slo.yaml").write_text(SMALL.replace("NAME", "small"))
    base = tmp_path / "base.yaml"
    base.write_text(BASE)
    specs = [tmp_path / "small.slo.yaml", CONTRACT]
    assert run("generate", *specs, "--out", tmp_path, "--base", base).exit_code == 0
    out = tmp_path / "alertmanager" / "alertmanager.yaml"
    first = out.read_text()
    assert run("check", *specs, "--out", tmp_path, "--base", base).exit_code == 0
    assert run("generate", *specs, "--out", tmp_path, "--base", out).exit_code == 0
    assert out.read_text() == first
    assert base.read_text() == BASE
    found = run("generate", *specs, "--out", tmp_path, "--base", tmp_path / "none.yaml")
    assert (found.exit_code, found.stderr) == (
        2,
        f"{tmp_path}/none.yaml: cannot be read: No such file or directory\n",
    )


def test_what_others_wrote_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "small.slo.yaml").write_text(SMALL.replace("NAME", "small"))
    command = ["generate", tmp_path / "small.slo.yaml", CONTRACT, "--out", tmp_path]
    theirs = tmp_path / "alertmanager" / "alertmanager.yaml"
    theirs.parent.mkdir()
    theirs.write_text(BASE)
    refusal = (
        f"{theirs}: not written by mlslo-rulegen, and would be overwritten; move it away, "
        "or name it with --base to put our part into it\n"
    )
    found = run(*command)
    assert (found.exit_code, found.stderr.endswith(f"\n{refusal}")) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alertmanager", "small.slo.yaml"]
    assert run(*command, "--base", theirs).exit_code == 0
    merged_text = theirs.read_text()
    # Without the base theirs would be lost.
    assert run(*command).stderr.endswith(refusal)
    assert theirs.read_text() == merged_text
    base = tmp_path / "base.yaml"
    base.write_text(BASE)
    assert run(*command, "--base", base).exit_code == 0
    rules = tmp_path / "rules" / "small.yaml"
    rules.write_text("groups: []  # mine\n")
    found = run(*command, "--base", base)
    assert f"{rules}: not written by mlslo-rulegen, and would be overwritten; move it away\n" in found.stderr
    rules.write_text("")
    assert run(*command, "--base", base).exit_code == 0


def test_what_the_base_says_in_the_same_words_is_not_said_again(tmp_path: Path) -> None:
    own = ours(None, tmp_path)["receivers"][-1]
    base = yaml.safe_dump({"route": {"receiver": own["name"]}, "receivers": [own]})
    names = [receiver["name"] for receiver in yaml.safe_load(merged(base, tmp_path))["receivers"]]
    assert sorted(names) == sorted(yaml.safe_load(CONTRACT.read_text())["spec"]["receivers"])
