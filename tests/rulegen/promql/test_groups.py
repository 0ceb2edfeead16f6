"""Groups and objects that would be too large are split, and mean the same."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from rulegen.alertmanager.operator.objects import LARGEST
from rulegen.cli import main
from rulegen.promql.groups import split
from rulegen.promql.rules import Group, Record
from tests.rulegen.commands.test_generate import SMALL
from tests.support.crd_schemas import Schema
from tests.support.paths import CONTRACT, TESTS
from tests.support.tools import tool


def group(*reads: str) -> Group:
    """Records r0, r1, ...; each text names those that one reads."""
    return Group("g", [Record(f"r{index}", f"x + {text or 1}") for index, text in enumerate(reads)])


def parts(found: list[Group]) -> list[tuple[str, str]]:
    return [(part.name, " ".join(rule.name for rule in part.rules)) for part in found]


def test_without_a_bound_nothing_is_split() -> None:
    assert parts(split([group("", "", "")], None)) == [("g", "r0 r1 r2")]
    assert parts(split([group("", "", "")], 3)) == [("g", "r0 r1 r2")]


@pytest.mark.parametrize(
    ("reads", "most", "expected"),
    [
        (("", "", ""), 2, ["r0 r1", "r2"]),
        (("", "", "r0"), 2, ["r0 r2", "r1"]),
        (("", "", "r0", "r1"), 3, ["r0 r2", "r1 r3"]),
        (("", "r0", "r1", ""), 2, ["r0 r1", "r2 r3"]),
        (("", "r0", "r0", "r0"), 2, ["r0 r1", "r2 r3"]),
    ],
)
def test_rules_that_read_each_other_stay_together_where_they_fit(
    reads: tuple[str, ...], most: int, expected: list[str]
) -> None:
    found = split([group(*reads)], most)
    assert [names for _, names in parts(found)] == expected
    assert [name for name, _ in parts(found)] == ["g", *(f"g.{n}" for n in range(2, len(found) + 1))]


def generate(folder: Path, slo: Path, *options: str) -> None:
    specs = [str(slo), str(folder / "routing.yaml")]
    result = CliRunner().invoke(main, ["generate", *specs, "--out", str(folder / "out"), *options])
    assert result.exit_code == 0, result.stderr


def rules_of(groups: list[Any]) -> list[str]:
    return sorted(json.dumps(rule, sort_keys=True) for one in groups for rule in one["rules"])


def test_groups_are_split_at_the_bound_and_their_tests_pass(tmp_path: Path) -> None:
    """An error budget, whose rules read each other, and conditions on gauges; the whole contract takes long."""
    text = (CONTRACT / "routing.yaml").read_text()
    (tmp_path / "routing.yaml").write_text(text)
    spec = yaml.safe_load((CONTRACT / "fraud.slo.yaml").read_text())
    kept = ("availability", "traffic", "feature-drift", "nulls")
    spec["spec"]["slos"] = [slo for slo in spec["spec"]["slos"] if slo["name"] in kept]
    (tmp_path / "fraud.slo.yaml").write_text(json.dumps(spec))
    generate(tmp_path, tmp_path / "fraud.slo.yaml")
    rules = tmp_path / "out" / "rules"
    whole = yaml.safe_load((rules / "fraud.yaml").read_text())["groups"]
    (tmp_path / "routing.yaml").write_text(text.replace("  tiers:\n", "  maxRulesPerGroup: 5\n  tiers:\n", 1))
    generate(tmp_path, tmp_path / "fraud.slo.yaml")
    groups = yaml.safe_load((rules / "fraud.yaml").read_text())["groups"]
    assert max(len(one["rules"]) for one in whole) > 10
    assert max(len(one["rules"]) for one in groups) <= 5
    assert len({one["name"] for one in groups}) == len(groups)
    assert rules_of(groups) == rules_of(whole)
    command: list[str | Path] = [
        tool("promtool"),
        "test",
        "rules",
        *sorted(rules.glob("fraud*_test.yaml")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def many(alerts: int) -> str:
    spec = yaml.safe_load(SMALL.replace("NAME", "many"))
    (slo,) = spec["spec"]["slos"]
    (alert,) = slo["alerts"]
    slo["alerts"] = [
        {**alert, "name": f"Alert{number}", "annotations": {"why": "x" * 900, "what": "x" * 900}}
        for number in range(alerts)
    ]
    return json.dumps(spec)


def test_what_is_too_large_for_one_object_becomes_several(tmp_path: Path) -> None:
    (tmp_path / "routing.yaml").write_text((TESTS / "crds" / "routing.yaml").read_text())
    (tmp_path / "many.yaml").write_text(many(300))
    generate(tmp_path, tmp_path / "many.yaml", "--format", "operator")
    listed = yaml.safe_load((tmp_path / "out" / "rules" / "many.yaml").read_text())
    assert (listed["apiVersion"], listed["kind"]) == ("v1", "List")
    names = [one["metadata"]["name"] for one in listed["items"]]
    assert names == ["mlslo-many", *(f"mlslo-many.part{n}" for n in range(2, len(names) + 1))]
    assert len(names) > 1
    for one in listed["items"]:
        assert Schema.of("PrometheusRule").mistakes(one) == []
        assert len(json.dumps(one)) < LARGEST * 1.05
        assert one["metadata"]["labels"] == {"release": "prometheus"}
    groups = [one for item in listed["items"] for one in item["spec"]["groups"]]
    plain = yaml.safe_load((tmp_path / "out" / "tests" / "many.yaml").read_text())["groups"]
    assert groups == plain
    done = subprocess.run(
        [tool("promtool"), "check", "rules", tmp_path / "out" / "tests" / "many.yaml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    # The review reads them as one file.
    specs = [str(tmp_path / "many.yaml"), str(tmp_path / "routing.yaml")]
    (tmp_path / "many.yaml").write_text(many(301))
    found = CliRunner().invoke(
        main, ["check", *specs, "--format", "operator", "--out", str(tmp_path / "out"), "--diff", "words"]
    )
    assert "+ Alert300 (psi)" in found.stdout
    assert "Alert299" not in found.stdout


def test_a_model_that_is_named_as_a_part_of_another_is_refused(tmp_path: Path) -> None:
    for name in ("a", "a.part2"):
        (tmp_path / f"{name}.slo.yaml").write_text(SMALL.replace("NAME", name))
    (tmp_path / "routing.yaml").write_text((TESTS / "crds" / "routing.yaml").read_text())
    result = CliRunner().invoke(
        main, ["generate", str(tmp_path), "--format", "operator", "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 2
    assert "'a.part2' and 'a' would both be the object 'mlslo-a.part2'" in result.stderr
