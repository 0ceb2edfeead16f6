"""The generated tests prove something: rules that were changed fail them."""

import copy
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from rulegen.cli import main
from tests.tools import tool

ROUTING = Path(__file__).parent / "contract" / "routing.yaml"

SPEC = """
apiVersion: mlslo/v1
kind: ModelSLO
metadata: {name: tiny, labels: {team: risk}}
spec:
  model: tiny
  slos:
    - name: psi
      layer: data
      sli: {gauge: {metric: ml_feature_psi, window: 1d, reference: training}}
      alerts:
        - {name: FeaturesDrifting, tier: P2, when: {above: 0.25, series: {atLeast: 3}}, for: 2m}
        - {name: FeatureDrift, tier: P3, when: {above: 0.1}, for: 3m}
    - name: missing
      layer: data
      sli: {gauge: {metric: ml_feature_missing_ratio, window: 1h}}
      alerts:
        - {name: FeatureMissing, tier: P2, when: {aboveReference: {byFactor: 2, floor: 0.01}}, for: 2m}
    - name: auc
      layer: outcome
      objective: 99
      timeWindow: 30d
      good: {atLeast: 0.7}
      sli: {gauge: {metric: ml_model_auc_roc, window: 7d}}
      alerts:
        - name: ConceptDrift
          tier: P2
          when: {all: [{below: 0.72}, {dropFrom: {window: 30d, by: 0.05}}]}
          breaches: {atLeast: 3, ofLast: 5}
          keepFiringFor: 4m
  noData: {tier: P2, after: 3m}
"""

# A change of an expression, wherever it fits.
EXPRESSIONS = [
    (r"(?<![<>=!]) > (?!bool)", " >= "),
    (r"(?<![<>=!]) > (?!bool)", " < "),
    (r" < on", " > on"),
    (r" < 0\.72", " <= 0.72"),
    (r" >= 3", " >= 4"),
    (r" >= 3", " >= 2"),
    (r" >= bool 0\.7", " > bool 0.7"),
    (r"0\.25", "0.26"),
    (r"> 0\.1$", "> 0.11"),
    (r"- 0\.05", "- 0.04"),
    (r"\(2 \* ", "(3 * "),
    (r"> 0\.01", "> 0.02"),
    (r"0\.72", "0.71"),
    (r"\band\b(?! on)", "or"),
    (r"^max by", "min by"),
    (r"^min by", "max by"),
    (r"^count by", "sum by"),
    (r'window="1d"', 'window="1h"'),
    (r',window="7d"', ""),
    (r',reference="training"', ""),
    (r',segment="",segment_value=""', ""),
    (r"4m59s", "2m59s"),
    (r"14\.4 ", "12 "),
    (r"<= 180", "<= 60"),
    (r"> 180", "> 240"),
    (r"min by \(model\) \(ml_monitor", "max by (model) (ml_monitor"),
    (r"^absent\((.*)\)\nand", r"(\1)\nand"),
]


def mutants(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """One change each, in every rule that it fits: a name, and the group with the changed rule."""
    for group in document["groups"]:
        for index, rule in enumerate(group["rules"]):
            name = f"{group['name']}: {rule.get('alert') or rule['record']}"
            for pattern, replacement in EXPRESSIONS:
                changed = re.sub(pattern, replacement, rule["expr"], count=1, flags=re.MULTILINE)
                if changed != rule["expr"]:
                    yield f"{name}: {pattern}", _with(group, index, expr=changed)
            if "alert" not in rule:
                continue
            for key in ("for", "keep_firing_for"):
                if key in rule:
                    minutes = int(rule[key][:-1])
                    yield f"{name}: longer {key}", _with(group, index, **{key: f"{minutes + 1}m"})
                    yield f"{name}: shorter {key}", _with(group, index, **{key: f"{minutes - 1}m"})
            labels = {**rule["labels"], "tier": "P9"}
            yield f"{name}: tier", _with(group, index, labels=labels)
            texts = {**rule["annotations"], "summary": rule["annotations"]["summary"] + "!"}
            yield f"{name}: summary", _with(group, index, annotations=texts)


def _with(group: dict[str, Any], index: int, **changes: Any) -> dict[str, Any]:
    changed = copy.deepcopy(group)
    changed["rules"][index].update(changes)
    return changed


def about(group: dict[str, Any], changed: str, tests: dict[str, Any]) -> dict[str, Any]:
    """The tests of an alert by its name; of a group, for another rule's."""
    slo = group["name"].removeprefix("tiny-")
    alerts = {rule["alert"] for rule in group["rules"] if "alert" in rule}
    subjects = {changed} & alerts or {*alerts, slo} - {"SLONoData"}
    own = {f"{alert} of {slo}" for alert in alerts if changed in (alert, slo) or changed not in alerts}
    found = [test for test in tests["tests"] if test["name"].split(":")[0] in subjects | own]
    assert found
    return {**tests, "tests": found}


def beside(document: dict[str, Any], group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The alerts of other groups that one test is about together with this group's: SLOs without data."""
    for other in document["groups"]:
        rules = [rule for rule in other["rules"] if rule.get("alert") == "SLONoData"]
        if rules and other["name"] != group["name"]:
            yield {**other, "rules": rules}


# Changes that leave a rule as good as it was, and why.
EQUIVALENT = {
    "tiny-auc: model_slo:ml_slo_events:bool: ^count by": "a sum of what is above 0 is above 0, as the count is",
}


def test_changed_rules_fail_their_tests(tmp_path: Path) -> None:
    (tmp_path / "tiny.slo.yaml").write_text(SPEC)
    arguments = ["generate", str(tmp_path / "tiny.slo.yaml"), str(ROUTING), "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
    assert str(tmp_path) not in result.stderr, "nothing is left untested"
    document = yaml.safe_load((tmp_path / "rules" / "tiny.yaml").read_text())
    tests = yaml.safe_load((tmp_path / "rules" / "tiny_test.yaml").read_text())
    names: dict[str, str] = {}
    unchanged = [(f"{group['name']}: unchanged", group) for group in document["groups"]]
    for number, (name, group) in enumerate([*unchanged, *mutants(document)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "tiny.yaml").write_text(json.dumps({"groups": [group, *beside(document, group)]}))
        path = folder / "tiny_test.yaml"
        path.write_text(json.dumps(about(group, name.split(": ")[1], tests)))
        names[str(path)] = name
    done = subprocess.run([tool("promtool"), "test", "rules", *names], capture_output=True, text=True)
    passed = _passed(done.stdout, names)
    good, survivors = passed[: len(unchanged)], passed[len(unchanged) :]
    assert good == [name for name, _ in unchanged], done.stderr[:2000]
    assert len(names) > 80
    assert sorted(survivors) == sorted(EQUIVALENT)


def _passed(output: str, names: dict[str, str]) -> list[str]:
    blocks = re.findall(r"Unit Testing:  (\S+)\n(.*?)(?=Unit Testing:|\Z)", output, re.DOTALL)
    assert len(blocks) == len(names)
    return [names[path] for path, said in blocks if "SUCCESS" in said]
