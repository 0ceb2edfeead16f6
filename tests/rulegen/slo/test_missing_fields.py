"""The alert that a field is missing: in the end only because a field that has been away for a day is forgotten."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from tests.support.paths import ROOT
from tests.support.tools import tool

MISSING = 'ml_field_present_ratio{model="diabetes",field="score",instance="a"}'


def test_it_ends_a_day_after_the_field_was_last_there(tmp_path: Path) -> None:
    """Alone in its file: evaluating all rules for a day takes a minute."""
    groups = yaml.safe_load((ROOT / "rules" / "diabetes.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"] if rule.get("alert") == "ModelFieldMissing"]
    assert len(rules) == 1
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [{"name": "alone", "rules": rules}]}))
    query = 'count(ALERTS{alertname="ModelFieldMissing",alertstate="firing",field="score"})'
    checks = [
        {"expr": query, "eval_time": time, "exp_samples": [{"value": 1}] if firing else []}
        for time, firing in (("25m", False), ("40m", True), ("23h50m", True), ("24h10m", False))
    ]
    test = {
        "interval": "5m",
        "input_series": [{"series": MISSING, "values": "1 0x300"}],
        "promql_expr_test": checks,
    }
    path = tmp_path / "rules_test.yaml"
    path.write_text(json.dumps({"rule_files": ["rules.yaml"], "evaluation_interval": "5m", "tests": [test]}))
    done = subprocess.run([tool("promtool"), "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
