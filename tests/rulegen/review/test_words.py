"""check --diff: what would change, in words, whatever stands on disk."""

# ruff: noqa: E501 - lines are compared whole
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rulegen.cli import main
from rulegen.generate import Generated, generate
from rulegen.review import words
from rulegen.review.rules import changes
from rulegen.validation import specs
from tests.support import paths
from tests.support.properties import examples

ROUTING = paths.ROUTING.read_text()
SLO = """\
apiVersion: mlslo/v1
kind: ModelSLO
metadata: {name: fraud, labels: {team: risk}, annotations: {runbook_url: "https://r/"}}
spec:
  model: fraud
  slos:
    - name: availability
      layer: service
      objective: 99.5
      timeWindow: 30d
      sli: {errors: {}}
    - name: drift
      layer: data
      sli: {gauge: {metric: ml_feature_psi, window: 1d, reference: training}}
      alerts:
        - {name: FeaturesDrifting, tier: P2, when: {above: 0.25, series: {atLeast: 4}}, for: 5m}
        - {name: FeatureDrift, tier: P2, when: {above: 0.1}, for: 10m}
    - name: auc
      layer: outcome
      sli: {gauge: {metric: ml_model_auc_roc, window: 7d}}
      alerts:
        - {name: Dropped, tier: P1, when: {dropFrom: {window: 7d, by: 0.05}}, for: 5m, keepFiringFor: 2h}
  noData: {tier: P2, after: 5m}
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def generated(folder: Path, slo: str = SLO, routing: str = ROUTING) -> Generated:
    (folder / "slo.yaml").write_text(slo)
    (folder / "routing.yaml").write_text(routing)
    return generate(specs.load([folder / "slo.yaml", folder / "routing.yaml"]))


def review(before: Path, wanted: Generated) -> list[str]:
    return words(before, wanted.files, wanted.audiences)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("before")
    for name, text in generated(folder).files.items():
        path = folder / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "out"


def said(before: Path, folder: Path, slo: str = SLO, routing: str = ROUTING) -> list[str]:
    lines = review(before, generated(folder, slo, routing))
    assert lines[-1].startswith(("and tests, runbooks or dashboards:", "  ", "only tests"))
    return [line.strip() for line in lines if line.startswith("  ")]


def changed(text: str, old: str, new: str) -> str:
    assert old in text, "the spec of this test has changed"
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "tier: P2, when: {above: 0.1}, for: 10m",
            "tier: P3, when: {above: 0.2}, for: 5m",
            ["FeatureDrift (drift): threshold 0.1 → 0.2; for 10m → 5m; pages P2 → P3, told: ml-slack → ml-digest"],
        ),
        ("atLeast: 4", "atLeast: 5", ["FeaturesDrifting (drift): threshold 4 → 5"]),
        ("above: 0.1", "atLeast: 0.1", ["FeatureDrift (drift): threshold > 0.1 → >= 0.1"]),
        (", for: 10m}", "}", ["FeatureDrift (drift): for 10m → none"]),
        ("keepFiringFor: 2h", "keepFiringFor: 1h", ["Dropped (auc): keepFiringFor 2h → 1h"]),
        ("by: 0.05", "by: 0.1", ["Dropped (auc): number 0.05 → 0.1"]),
        ("window: 1d, reference", "window: 7d, reference", ["SLO drift: measured: window 1d → 7d"]),
        (
            "objective: 99.5", "objective: 99.9",
            [
                "ErrorBudgetFastBurn (availability): number 0.005 → 0.001",
                "ErrorBudgetSlowBurn (availability): number 0.005 → 0.001",
                "SLO availability: objective 99.5 % → 99.9 %",
            ],
        ),
        ("timeWindow: 30d", "timeWindow: 28d", ["ErrorBudgetFastBurn (availability): threshold 14.4 → 13.44; threshold 6 → 5.6"]),
        ("timeWindow: 30d", "timeWindow: {calendar: month, zone: Europe/Berlin}\n      alerting: {for: 2m}", [
            "SLO availability: promise 99.5% over 30d → 99.5% over a month of Europe/Berlin",
            "ErrorBudgetFastBurn (availability): for none → 2m",
        ]),
        ("timeWindow: 30d", "timeWindow: 30d\n      groupBy: [tenant]", ["ErrorBudgetFastBurn (availability): group none → tenant"]),
        ("name: FeatureDrift,", "name: Drifting,", [
            "+ Drifting (drift): P2 for 10m, told: ml-slack",
            "- FeatureDrift (drift): no longer; it was P2 for 10m, told: ml-slack",
        ]),
        ('"https://r/"', '"https://s/"', ["FeatureDrift (drift): runbook_url https://r/ → https://s/"]),
        ("team: risk", "team: search", ["Dropped (auc): label team risk → search"]),
    ],
)  # fmt: skip
def test_a_change_of_the_slo_is_said(
    old: str, new: str, expected: list[str], before: Path, tmp_path: Path
) -> None:
    lines = said(before, tmp_path, slo=changed(SLO, old, new))
    for line in expected:
        assert any(found == line or found.startswith(f"{line};") for found in lines), lines


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("risk: {P1: [risk-oncall, ml-slack]}", "risk: {P1: [risk-oncall, ml-slack], P2: [ml-slack, oncall]}", ["P2 of team risk: now also told: oncall"]),
        ("risk: {P1: [risk-oncall, ml-slack]}", "risk: {P1: [ml-slack]}", ["P1 of team risk: no longer told: risk-oncall"]),
        ("P2: {severity: warning, receivers: [ml-slack]}", "P2: {severity: warning, receivers: [ml-slack, oncall]}", ["P2: now also told: oncall"]),
        ("layers: [data]}", "layers: [data, prediction]}", ["P1: muted during none → retraining (prediction)", "P2: muted during none → retraining (prediction)"]),
        ("repeatInterval: 4h", "repeatInterval: 6h", ["P1: repeated every 4h → 6h", "P2: repeated every 4h → 6h"]),
        ("groupBy: [model, slo]", "groupBy: [model]", ["P1: grouped by model, slo → model"]),
        ('channel: "#ml-digest"', 'channel: "#weekly"', ["receiver ml-digest: slack_configs[0].channel #ml-digest → #weekly"]),
        ('["monday:friday"]', '["monday:thursday"]', ["time interval office-hours: time_intervals[0].weekdays[0] monday:friday → monday:thursday"]),
        (
            "target: {layers: [data, prediction, outcome]}", "target: {layers: [data]}",
            ['+ inhibition: alertname="ErrorBudgetFastBurn" slo="availability" layer="service" tier="P1" silences layer="data" tier=~"P2|P3" of the same model'],
        ),
        ("suppressLowerTiers: true", "suppressLowerTiers: false", []),
        ("evaluationInterval: 1m", "evaluationInterval: 30s", ["evaluated every 1m → 30s"]),
        ("severity: warning", "severity: error", ["FeatureDrift (drift): label severity warning → error"]),
    ],
)  # fmt: skip
def test_a_change_of_the_routing_is_said(
    old: str, new: str, expected: list[str], before: Path, tmp_path: Path
) -> None:
    lines = said(before, tmp_path, routing=changed(ROUTING, old, new))
    assert set(expected) <= set(lines), lines


def test_of_two_long_conditions_that_is_shown_in_which_they_differ(before: Path, tmp_path: Path) -> None:
    lines = said(before, tmp_path, slo=changed(SLO, "timeWindow: 30d", "timeWindow: 7d"))
    (line,) = (line for line in lines if line.startswith("ErrorBudgetFastBurn (availability): condition"))
    was, now = line.split(": condition ")[1].split(" → ")
    assert was != now
    assert was.startswith("…")


def test_nothing_else_is_said_of_a_change_in_one_place(before: Path, tmp_path: Path) -> None:
    *lines, rest = review(before, generated(tmp_path, changed(SLO, "by: 0.05", "by: 0.1")))
    assert lines == ["rules/fraud.yaml", "  Dropped (auc): number 0.05 → 0.1"]
    assert rest.startswith("and tests, runbooks or dashboards: dashboards/fraud.json, rules/fraud_test.yaml")
    assert review(before, generated(tmp_path)) == []


def test_check_shows_words_first_then_the_diff(before: Path, tmp_path: Path) -> None:
    slo, routing = tmp_path / "slo.yaml", tmp_path / "routing.yaml"
    slo.write_text(changed(SLO, "above: 0.1", "above: 0.2"))
    routing.write_text(ROUTING)
    shown = {}
    for diff in ("both", "words", "unified"):
        found = run("check", slo, routing, "--out", before, "--diff", diff)
        assert found.exit_code == 1
        shown[diff] = found.stdout
    assert "  FeatureDrift (drift): threshold 0.1 → 0.2" in shown["words"].splitlines()
    assert "@@" not in shown["words"]
    assert shown["unified"].startswith("--- a/")
    assert shown["both"] == f"{shown['words']}\n{shown['unified']}"
    assert run("check", slo, routing, "--out", before).stdout == shown["both"]


def test_a_folder_without_generated_files_gives_no_diff(tmp_path: Path) -> None:
    slo, routing = tmp_path / "slo.yaml", tmp_path / "routing.yaml"
    slo.write_text(SLO)
    routing.write_text(ROUTING)
    found = run("check", slo, routing, "--out", tmp_path)
    assert found.exit_code == 1
    assert "@@" not in found.stdout
    assert f"is in '{tmp_path}': generate writes them, --out names another folder" in found.stderr


def test_a_new_model_and_one_that_no_spec_asks_for(before: Path, tmp_path: Path) -> None:
    other = changed(changed(SLO, "name: fraud", "name: credit"), "model: fraud", "model: credit")
    lines = review(before, generated(tmp_path, other))
    assert "rules/credit.yaml: a new file, 10 alerts" in lines
    assert "  + FeatureDrift (drift): P2 for 10m, told: ml-slack" in lines
    assert "rules/fraud.yaml: no spec asks for it any more, 10 alerts go with it" in lines


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("rules/fraud.yaml", "groups: [", "rules/fraud.yaml: not readable, all of it would be written anew"),
        ("rules/fraud.yaml", "- a\n", "rules/fraud.yaml: not readable, all of it would be written anew"),
        (
            "alertmanager/alertmanager.yaml",
            "a: b: c",
            "alertmanager: not readable, all of it would be written anew",
        ),
        ("rules/watchdog.yaml", None, "rules/watchdog.yaml: a new file, 1 alert"),
        ("alertmanager/alertmanager.yaml", None, "  + receiver oncall"),
    ],
)
def test_what_cannot_be_read_is_said_to_be_so(
    name: str, text: str | None, expected: str, tmp_path: Path
) -> None:
    result = generated(tmp_path)
    for other, wanted in result.files.items():
        path = tmp_path / "out" / other
        path.parent.mkdir(parents=True, exist_ok=True)
        if other != name:
            path.write_text(wanted)
        elif text is not None:
            path.write_text(text)
    assert expected in review(tmp_path / "out", result)


VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "x", -1, 1.5, True, [], {}, ["a"], {"a": "b"}, [None], [{}]]
)


@st.composite
def mangled(draw: st.DrawFn, text: str) -> str:
    """A YAML file as a hand left it: a value is another, a line is gone, the end is cut off."""
    document = json.loads(text)
    node: Any = document
    for _ in range(draw(st.integers(0, 8))):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if not isinstance(node[key], (dict, list)) or draw(st.integers(0, 3)) == 0:
            node[key] = draw(VALUES)
            break
        node = node[key]
    changed = json.dumps(document, indent=1)
    if draw(st.booleans()):
        return changed
    lines = changed.splitlines(keepends=True)
    place = draw(st.integers(0, len(lines) - 1))
    return "".join(lines[:place] if draw(st.booleans()) else [*lines[:place], *lines[place + 1 :]])


@settings(max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_files_that_a_hand_has_mangled_are_still_compared(
    data: st.DataObject, before: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("mangled")
    names = ("rules/fraud.yaml", "rules/watchdog.yaml", "alertmanager/alertmanager.yaml")
    files = {name: (before / name).read_text() for name in names}
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(data.draw(mangled(json.dumps(yaml.load(text, Loader=yaml.CSafeLoader)))))
    # Whatever stands there, it is compared; and what differs in meaning is not passed over.
    lines = words(folder, files, {("P1", "risk")})
    same = all(data_of((folder / name).read_text()) == data_of(text) for name, text in files.items())
    assert same or lines


def data_of(text: str) -> Any:
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return None


@pytest.mark.slow
def test_no_number_and_no_duration_of_an_alert_changes_unnoticed(before: Path, tmp_path: Path) -> None:
    """Each of them in turn; the alert is named."""
    text = (before / "rules" / "fraud.yaml").read_text()
    (tmp_path / "rules").mkdir()
    count = 0
    for group, rule in itertools.product(range(5), range(40)):
        document = yaml.load(text, Loader=yaml.CSafeLoader)
        rules = document["groups"][group]["rules"] if group < len(document["groups"]) else []
        if rule >= len(rules) or "alert" not in rules[rule]:
            continue
        for key in ("expr", "for", "keep_firing_for"):
            value = rules[rule].get(key, "")
            for match in re.finditer(r"(?<![\w.:])\d+(?:\.\d+)?(?:[smhd]\b)?", value):
                digit = "7" if match[0][0] != "7" else "8"
                rules[rule][key] = value[: match.start()] + digit + value[match.start() + 1 :]
                (tmp_path / "rules" / "fraud.yaml").write_text(json.dumps(document))
                lines = words(tmp_path, {"rules/fraud.yaml": text}, ())
                assert any(line.startswith(f"  {rules[rule]['alert']} (") for line in lines), (value, match)
                count += 1
            if value:
                rules[rule][key] = value
    assert count > 40


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a > 1", "a>1.0", []),
        ("a > 14.4 * 0.005", "a > 14.4 * 0.001", ["number 0.005 → 0.001"]),
        ("0.5 < a", "0.7 < a", ["number 0.5 → 0.7"]),
        ("a > -1", "a >= 2", ["threshold > -1 → >= 2"]),
        ("a > b", "a >= b", ["threshold > b → >= b"]),
        ("rate(a[5m])", "rate(a[10m] offset 1d)", ["condition rate(a[5m]) → rate(a[10m] offset 1d)"]),
        ("rate(a[5m] offset 1h)", "rate(a[10m] offset 1d)", ["range 5m → 10m", "offset 1h → 1d"]),
        ('a{b="c"}', 'a{b=~"c|d",e!="f"}', ['condition a{b="c"} → a{b=~"c|d",e!="f"}']),
        ('a{b="c"}', 'a{b="d"}', ["b c → d"]),
        ("a", "b", ["condition a → b"]),
        ("max_over_time(a[1h:1m])", "max_over_time(a[1h:30s])", ["range 1h:1m → 1h:30s"]),
        ("topk(3, a)", "topk(4, a)", ["number 3 → 4"]),
        ("sum by (a) (b)", "sum by (c) (b)", ["condition sum by (a) (b) → sum by (c) (b)"]),
        ("a and b", "a or b", ["condition a and b → a or b"]),
        ("a >", "a > 1", ["condition a > → a > 1"]),
        ("a ^ 1e2", "a ^ 1e3", ["number 100 → 1000"]),
    ],
)
def test_expressions_are_told_apart_by_their_meaning(old: str, new: str, expected: list[str]) -> None:
    assert changes(old, new) == expected
