"""generate --base: our part of an alertmanager.yaml among what others keep there, and nothing of theirs touched."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.yamlfile import InputError, read
from rulegen import alertmanager, merge, routing
from rulegen.cli import main
from tests.alertmanagers import Alertmanager
from tests.test_alertmanager_configuration import CONTRACT, IDENTITIES, amtool, documents
from tests.test_rulegen_generate import SMALL

BASE = """\
# Our company's alerting.
global:
  resolve_timeout: 5m     # as ever

route:
  # the default
  receiver: default
  group_by: [alertname]
  routes:
    # the database team
    - receiver: dba
      matchers: [ team="dba" ]
      continue: yes
    - receiver: night
      match: {severity: page}
      mute_time_intervals: [weekend]

inhibit_rules:
- source_matchers: [severity="critical"]   # indented as their key
  target_matchers: [severity="warning"]
  equal: [alertname, cluster]
receivers:
    - name: default
    - name: dba
      webhook_configs: [{url: "http://127.0.0.1:1/", send_resolved: no}]
    - name: night
mute_time_intervals:
  - name: weekend
    time_intervals:
      - weekdays: ['saturday', 'sunday']
# the end
"""
OTHERS = (
    ["alertname=Any"],
    ["team=dba"],
    ["severity=page"],
    ["tier=P1", "model=m"],
    ["alertname=Watchdog", "severity=none"],
)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def ours(document: dict[str, Any] | None, folder: Path) -> dict[str, Any]:
    path = CONTRACT
    if document is not None:
        path = folder / "routing.json"
        path.write_text(json.dumps(document, ensure_ascii=False))
    loaded = routing.from_document(read(path))
    return {**alertmanager.build(loaded, IDENTITIES), "route": alertmanager.guarded_route(loaded.spec)}


def merged(base: str, folder: Path, document: dict[str, Any] | None = None) -> str:
    path = folder / "base.yaml"
    path.write_bytes(base.encode())
    read_base = merge.Base.read(path)
    return read_base.merged(merge.check(read_base, ours(document, folder)), "AlertRouting default")


def refused(base: str, folder: Path, document: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(InputError) as caught:
        merged(base, folder, document)
    return [str(problem).partition("base.yaml:")[2] for problem in caught.value.problems]


def without_marked(text: str) -> str:
    """A plain reading of what the marks mean."""
    kept, inside = [], False
    for line in text.splitlines(keepends=True):
        inside = inside or line.lstrip().startswith("# BEGIN mlslo-rulegen")
        if not inside:
            kept.append(line)
        inside = inside and not line.lstrip().startswith("# END mlslo-rulegen")
    return "".join(kept)


def routed(configuration: Path, labels: list[str]) -> str:
    return amtool("config", "routes", "test", f"--config.file={configuration}", *labels).removesuffix("\n")


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


ROUTE = "route: {receiver: a}\n"


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("", "1:1: expected a YAML mapping, the file is empty"),
        ("- a\n", "1:1: expected a mapping with route and receivers, as alertmanager.yaml is one"),
        ("receivers: []\n", "1:1: missing key 'route': an alertmanager.yaml has one"),
        ("route:\n  routes: []\n", "2:3: expected a mapping with a receiver, as the root route is one"),
        ("route: {receiver: a, routes: x}\n", "1:30: expected a list under route.routes"),
        (ROUTE + "receivers: {}\n", "2:12: expected a list under receivers"),
        (ROUTE + "receivers:\n  - a\n", "3:5: expected a mapping with a name in receivers"),
        (ROUTE + "route: {}\n", "2:1: duplicate key 'route', first given at line 1"),
        (
            ROUTE + "receivers: &r\n  - name: a\ninhibit_rules: *r\n",
            "4:1: an alias cannot be added to; write out what it stands for",
        ),
        (
            ROUTE + "receivers:\n  - name: a\n  - name: oncall\n    slack_configs: []\n",
            "4:11: the receiver 'oncall' is another one in the AlertRouting file; rename one of the two",
        ),
        (
            ROUTE + "mute_time_intervals: [{name: retraining}]\n",
            "2:30: the time interval 'retraining' is another one in the AlertRouting file; rename one of the two",
        ),
        (
            ROUTE + "# BEGIN mlslo-rulegen\n",
            "2:1: '# BEGIN mlslo-rulegen' without an '# END mlslo-rulegen'; all between the two is ours and replaced",
        ),
        (
            ROUTE + "  # END mlslo-rulegen\n",
            "2:1: '# END mlslo-rulegen' without a '# BEGIN mlslo-rulegen'; all between the two is ours and replaced",
        ),
    ],
)  # fmt: skip
def test_a_base_that_cannot_be_added_to_is_refused_with_its_place(
    base: str, said: str, tmp_path: Path
) -> None:
    assert refused(base, tmp_path) == [said]


def test_places_are_those_of_the_file_as_it_is_with_our_part_in_it(tmp_path: Path) -> None:
    text = merged(BASE, tmp_path).replace("    - name: night", "    - name: oncall")
    line = len(text.splitlines()) - text.splitlines()[::-1].index("    - name: oncall")
    problems = refused(text, tmp_path)
    assert problems == [
        f"{line}:13: the receiver 'oncall' is another one in the AlertRouting file; rename one of the two"
    ]


def test_lines_end_as_they_end_in_yaml(tmp_path: Path) -> None:
    """Not with a line feed alone: places behind our part are right where they end otherwise."""
    text = merged(BASE, tmp_path).replace("    - name: night", "    - name: oncall")
    line = text[: text.rindex("    - name: oncall")].count("\n") + 1
    for end in ("\n", "\r\n", "\r", "\x85", "\u2028"):
        assert refused(text.replace("\n", end), tmp_path)[0].startswith(f"{line}:13: the receiver 'oncall'")


def test_our_route_without_its_marks_is_not_written_twice(tmp_path: Path) -> None:
    """As a formatter leaves it that drops comments."""
    bare = yaml.safe_dump(yaml.safe_load(merged(BASE, tmp_path)), sort_keys=False)
    problems = refused(bare, tmp_path)
    assert len(problems) == 1
    assert "a route of mlslo-rulegen without its marks" in problems[0]


def test_what_the_base_says_in_the_same_words_is_not_said_again(tmp_path: Path) -> None:
    own = ours(None, tmp_path)["receivers"][-1]
    base = yaml.safe_dump({"route": {"receiver": own["name"]}, "receivers": [own]})
    names = [receiver["name"] for receiver in yaml.safe_load(merged(base, tmp_path))["receivers"]]
    assert sorted(names) == sorted(yaml.safe_load(CONTRACT.read_text())["spec"]["receivers"])


@pytest.mark.parametrize(
    "base",
    [
        "route:\n  receiver: a\nreceivers:\n  - name: a",
        "route: {receiver: a}\nreceivers: [{name: a}]\n...\n",
        "---\nroute:\n  receiver: a # trailing\n  routes: []  # none yet\nreceivers:\n- name: a\ntemplates: ~\n",
        '{"route": {"receiver": "a", "routes": []}, "receivers": [{"name": "a"}]}',
        "\ufeffroute:\r\n  receiver: a\r\nreceivers:\r\n  - name: a\r\n",
        "  route:\n    receiver: a\n  receivers:\n    - name: a\n",
        "route:\n  receiver: a\nreceivers: [{name: a, slack_configs: [{api_url: 'http://x/', "
        'text: "a\\n\\tb", send_resolved: no}]}]\n',
    ],
)
def test_however_the_base_is_written_its_data_are_the_same_and_again_gives_the_same(
    base: str, tmp_path: Path
) -> None:
    result = merged(base, tmp_path)
    assert merged(result, tmp_path) == result
    rest = yaml.safe_load(without_marked(result).lstrip("\ufeff"))
    before = yaml.safe_load(base.lstrip("\ufeff"))
    assert {key: value for key, value in rest.items() if value} == {
        key: value for key, value in before.items() if value
    } or (
        rest["route"].pop("routes", None) is None
        and before["route"].pop("routes", []) == []
        and rest == before
    )
    assert ("\r\n" in result) == ("\r\n" in base)
    assert result.count("\n") == result.count("\r\n") or "\r\n" not in base
    (tmp_path / "alertmanager.yaml").write_bytes(result.encode())
    for name, text in alertmanager.templates().items():
        (tmp_path / name).write_text(text)
    amtool("check-config", str(tmp_path / "alertmanager.yaml"))


WORDS = st.sampled_from(["alpha", "beta", "gamma", "no", "1e3", "09:00", "a b", "ö"])


@st.composite
def bases(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """An alertmanager.yaml of somebody else, however it is laid out, and its data."""
    names = draw(st.lists(WORDS.map(lambda word: f"theirs-{word}"), min_size=1, max_size=3, unique=True))
    receiver = st.sampled_from(names)

    def route(depth: int) -> Any:
        leaf = st.fixed_dictionaries(
            {
                "receiver": receiver,
                "matchers": st.lists(WORDS.map(lambda word: f'label="{word}"'), max_size=2),
            },
            optional={"continue": st.booleans(), "group_by": st.just(["alertname"])},
        )
        if not depth:
            return leaf
        return st.builds(
            lambda own, inner: {**own, "routes": inner}, leaf, st.lists(route(depth - 1), max_size=2)
        )

    data: dict[str, Any] = {"route": {"receiver": names[0]}, "receivers": [{"name": name} for name in names]}
    if draw(st.booleans()):
        data["route"]["routes"] = draw(st.lists(route(1), max_size=3))
    if draw(st.booleans()):
        data["time_intervals"] = [{"name": "theirs", "time_intervals": [{"weekdays": ["monday"]}]}]
    if draw(st.booleans()):
        data["inhibit_rules"] = [{"source_matchers": ['a="b"'], "target_matchers": ['a="c"'], "equal": ["d"]}]
    data = {key: data[key] for key in draw(st.permutations(list(data)))}
    flow = draw(st.sampled_from([False, None, True]))
    text = yaml.safe_dump(
        data,
        default_flow_style=flow,
        indent=draw(st.sampled_from([2, 3, 4])),
        sort_keys=False,
        allow_unicode=True,
    )
    if not flow and draw(st.booleans()):
        text = "".join(
            f"{line}  # theirs\n" if index % 3 == 0 else f"{line}\n"
            for index, line in enumerate(text.splitlines())
        )
    return text, data


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(base=bases(), first=documents(), second=documents(), data=st.data())
def test_any_base_keeps_its_data_its_routes_and_loses_what_we_drop(
    base: tuple[str, dict[str, Any]],
    first: dict[str, Any],
    second: dict[str, Any],
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    text, before = base
    result = merged(text, folder, first)
    assert merged(result, folder, first) == result
    if not re.search(r"[\[{]", text):
        assert without_marked(result) == text
    again = merged(merged(result, folder, second), folder, first)
    assert again == result
    for key in ("route", "receivers", "time_intervals", "inhibit_rules"):
        after = yaml.safe_load(result).get(key)
        if key == "route":
            routes = after.pop("routes")
            assert routes[1:] == before["route"].get("routes", [])
            assert after == {name: value for name, value in before["route"].items() if name != "routes"}
        else:
            kept = before.get(key, [])
            assert (after or [])[len(after or []) - len(kept) :] == kept
    (folder / "before.yaml").write_text(text)
    (folder / "after.yaml").write_text(result.replace("- mlslo-", f"- {folder}/mlslo-"))
    labels = data.draw(
        st.lists(
            WORDS.map(lambda word: f"label={json.dumps(word, ensure_ascii=False)}"), min_size=1, max_size=1
        )
    )
    assert routed(folder / "after.yaml", labels) == routed(folder / "before.yaml", labels)
    tier = sorted(first["spec"]["tiers"])[0]
    mine = [f"tier={tier}", "slo=any", "layer=service", *labels]
    assert routed(folder / "after.yaml", mine) == ",".join(first["spec"]["tiers"][tier]["receivers"])
