"""docs/launch.md: its example decides as it says, by the exporter's gauges in the generated rules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from exporter.measure.comparison_sequence import BOUNDS
from rulegen.cli import main
from tests.support.logs import once
from tests.support.paths import ROOT
from tests.support.sessions import blocks, play, typed
from tests.support.tools import tool

PAGE = (ROOT / "docs/launch.md").read_text(encoding="utf-8")
ROUTING = ROOT / "examples/diabetes/routing.yaml"
LAUNCH = 'launch: {baseline: "1", candidate: "2", after: 1000 labels}'

RULES = {
    ("accuracy", 0.0): {"launch": "lower_bound:min{} > 0", "roll-back": "upper_bound:max{} < 0"},
    ("accuracy", 0.01): {"launch": "lower_bound:min{} > -0.01", "roll-back": "upper_bound:max{} < -0.01"},
    ("mae", 0.5): {"launch": "upper_bound:max{} < 0.5", "roll-back": "lower_bound:min{} > 0.5"},
    ("error_ratio", 0.0): {"launch": "upper_bound:max{} < 0", "roll-back": "lower_bound:min{} > 0"},
}


def files(folder: Path) -> Path:
    (folder / "routing.yaml").write_bytes(ROUTING.read_bytes())
    for block in blocks(PAGE):
        if block.file is not None:
            (folder / block.file).write_text(block.text)
    return folder


def generated(folder: Path, *names: str) -> tuple[int, str]:
    paths = [str(folder / name) for name in ("slo.yaml", "routing.yaml", *names)]
    done = CliRunner().invoke(main, ["generate", *paths, "--out", str(folder / "out")])
    return done.exit_code, done.stderr


@pytest.mark.one_version
def test_what_is_exported_fires_the_decision(tmp_path: Path) -> None:
    """The page's candidate is worse: it is rolled back, and launched where a tenth more errors are good enough."""
    folder = files(tmp_path)
    subprocess.run([sys.executable, "traffic.py"], cwd=folder, check=True, timeout=60)
    gauges = once(folder / "monitor.yaml", at="2026-03-15T00:00:00Z")
    series = []
    for name in BOUNDS:
        ((of, number),) = gauges[name]
        labels = ",".join(f'{key}="{text}"' for key, text in of.items())
        series.append({"series": f"{name}{{{labels}}}", "values": str(number)})
    firing = 'count by (alertname, baseline, candidate, tier) (ALERTS{alertstate="firing",slo=~"launch|roll-back"})'
    text = (folder / "slo.yaml").read_text()
    for margin, fires, tier in ((0.0, "RollBackCandidate", "P1"), (0.1, "LaunchCandidate", "P3")):
        (folder / "slo.yaml").write_text(text.replace("after: 1", f"margin: {margin}, after: 1"))
        assert generated(folder, "monitor.yaml") == (0, "")
        found = f'{{alertname="{fires}", baseline="1", candidate="2", tier="{tier}"}}'
        expected = {"expr": firing, "eval_time": "0m", "exp_samples": [{"labels": found, "value": 1}]}
        test = {"interval": "1m", "input_series": series, "promql_expr_test": [expected]}
        path = folder / "out/rules/decided_test.yaml"
        content = {"rule_files": ["orders.yaml"], "evaluation_interval": "1m", "tests": [test]}
        path.write_text(yaml.safe_dump(content))
        command = [str(tool("promtool")), "test", "rules", path.name]
        done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("statistic", "margin"), list(RULES), ids=str)
def test_both_decisions_hold_the_bounds_against_one_line(
    tmp_path: Path, statistic: str, margin: float
) -> None:
    folder = files(tmp_path)
    text = (folder / "slo.yaml").read_text()
    chosen = LAUNCH.replace("after", f"statistic: {statistic}, margin: {margin}, after")
    (folder / "slo.yaml").write_text(text.replace(LAUNCH, chosen))
    assert generated(folder)[0] == 0
    groups = yaml.safe_load((folder / "out/rules/orders.yaml").read_text())["groups"]
    found = {
        rule["labels"]["slo"]: rule["expr"]
        for group in groups
        for rule in group["rules"]
        if rule.get("alert") in ("LaunchCandidate", "RollBackCandidate")
    }
    for slo, expected in RULES[statistic, margin].items():
        rule = expected.replace("{}", f'{{model="orders",slo="{slo}"}}')
        assert found[slo] == f"model:ml_comparison_sequence_{rule}"


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("slo.yaml", 'baseline: "1"', 'baseline: "0"', "compares with baseline '1', expected '0' or previous there"),
        ("slo.yaml", 'candidate: "2"', 'candidate: "3"', "compares with candidate '2', expected '3' or newest there"),
        ("slo.yaml", "1000 labels", "500 labels", "tunedAt 1000: the bounds are there from then on"),
        ("slo.yaml", "after: 1", "statistic: mae, after: 1", "does not measure mae, expected one of accuracy"),
        ("slo.yaml", "after: 1", "tiers: {launch: P7}, after: 1", "unknown tier 'P7'"),
        ("monitor.yaml", ", sequential: {confidence: 0.95, tunedAt: 1000}", "", "needs comparison.sequential, monitor"),
        ("monitor.yaml", "  comparison:", "  # comparison:", "needs comparison, monitor.yaml has none"),
    ],
    ids=["baseline", "candidate", "after", "statistic", "tier", "sequential", "comparison"],
)  # fmt: skip
def test_what_the_monitor_does_not_measure_is_refused_at_its_place(
    tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    folder = files(tmp_path)
    path = folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    code, errors = generated(folder, "monitor.yaml")
    lines = (folder / "slo.yaml").read_text().splitlines()
    line = next(number for number, own in enumerate(lines, 1) if own.startswith("  launch:"))
    assert code == 2
    for error in errors.splitlines():
        assert error.startswith(f"{folder / 'slo.yaml'}:{line}:"), error
    assert said in errors


@pytest.mark.slow
@pytest.mark.one_version
def test_the_page_prints_what_it_says(tmp_path: Path) -> None:
    programs = [str(Path(sys.executable).parent), str(tool("promtool").parent), os.environ["PATH"]]
    variables = {"PATH": os.pathsep.join(programs), "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    play(typed(PAGE), files(tmp_path), variables)
