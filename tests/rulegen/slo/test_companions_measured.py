"""What companions and weighted gauges read is what the exporter exports: its page of the example, by promtool."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from rulegen.cli import main
from tests.support.commands import exporter
from tests.support.paths import DIABETES, ROOT
from tests.support.tools import tool

POD = {"instance": "10.0.0.1:9847", "job": "mlslo"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The series of one cycle, as they are scraped from two pods; times count from the cycle's."""
    folder = tmp_path_factory.mktemp("example") / "diabetes"
    shutil.copytree(DIABETES, folder)
    reference = ["baseline", folder / "monitor.yaml", "--data", folder / "reference-data.jsonl"]
    exporter(*reference, "--out", folder / "references/validation.json")
    done = exporter("once", folder / "monitor.yaml", "--at", "2025-01-06T08:00:00Z")
    samples = [sample for family in text_string_to_metric_families(done.stdout) for sample in family.samples]
    (start,) = [sample.value for sample in samples if sample.name.startswith("ml_monitor_last_success")]
    found = []
    for pod in ("1", "2"):
        for sample in samples:
            value = sample.value - start if sample.name.endswith("timestamp_seconds") else sample.value
            labels = {name: text for name, text in sample.labels.items() if text}
            inside = ",".join(
                f"{name}={json.dumps(text)}"
                for name, text in {**labels, **POD, "instance": f"10.0.0.{pod}:9847"}.items()
            )
            # Counters go on counting.
            steps = f"{value}+1x10" if sample.name.endswith("_total") else f"{value}x10"
            found.append({"series": f"{sample.name}{{{inside}}}", "values": steps})
    return found


def asked(
    tmp_path: Path, page: list[dict[str, str]], queries: list[tuple[str, list[dict[str, Any]]]]
) -> None:
    """Each query has, at the third minute, these samples."""
    checks = [{"expr": query, "eval_time": "3m", "exp_samples": samples} for query, samples in queries]
    test = {"interval": "1m", "input_series": page, "promql_expr_test": checks}
    path = tmp_path / "page_test.yaml"
    path.write_text(json.dumps({"rule_files": [], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run([tool("promtool"), "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_companions_of_the_example(page: list[dict[str, str]], tmp_path: Path) -> None:
    groups = yaml.safe_load((ROOT / "rules" / "diabetes.yaml").read_text())["groups"]
    rules = {rule.get("alert"): rule["expr"] for group in groups for rule in group["rules"]}

    def measured(alert: str) -> str:
        """What an alert compares with its limit."""
        return re.split(r" (?:<=|>) [0-9.]+$", rules[alert], maxsplit=1, flags=re.MULTILINE)[0]

    asked(
        tmp_path,
        page,
        [
            # All of the features, of the one version that has rows.
            (
                measured("ModelFeaturesUnmonitored"),
                [{"labels": '{model="diabetes",version="1.0.0"}', "value": 1}],
            ),
            # The cycle was looked at as of an hour that was long ago.
            (
                f"({measured('ModelLabelsStale')}) > bool 86400",
                [{"labels": '{model="diabetes"}', "value": 1}],
            ),
            (rules["ModelSinkDown"], []),
            (
                f"({measured('ModelReferenceOld')}) < bool 86400",
                [{"labels": '{model="diabetes",reference="validation"}', "value": 1}],
            ),
            (measured("ModelMonitorStale"), [{"labels": '{model="diabetes"}', "value": 180}]),
        ],
    )


def test_a_weighted_gauge_of_pods_that_measure_the_same_is_what_each_measures(
    page: list[dict[str, str]], tmp_path: Path
) -> None:
    spec = {
        "apiVersion": "mlslo/v1",
        "kind": "ModelSLO",
        "metadata": {"name": "weighted"},
        "spec": {
            "model": "diabetes",
            "slos": [
                {
                    "name": metric,
                    "layer": "outcome",
                    "sli": {"gauge": {"metric": metric, "window": "2h", "replicas": "weighted", **more}},
                    "alerts": [{"name": f"{metric}_bad", "tier": "P3", "when": {"above": 0.9}, "for": "5m"}],
                }
                for metric, more in (
                    ("ml_model_recall", {}),
                    ("ml_feature_psi", {"reference": "validation"}),
                    ("ml_fairness_selection_rate", {}),
                )
            ],
            "noData": {"tier": "P3", "after": "30m"},
        },
    }
    path = tmp_path / "weighted.yaml"
    path.write_text(yaml.safe_dump(spec))
    result = CliRunner().invoke(
        main, ["generate", str(path), str(DIABETES / "routing.yaml"), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.stderr
    groups = yaml.safe_load((tmp_path / "out/rules/weighted.yaml").read_text())["groups"]
    records = {
        rule["record"].split(":")[1]: rule["expr"]
        for group in groups
        for rule in group["rules"]
        if rule.get("record", "").endswith(":weighted_avg")
    }
    assert len(records) == 3
    queries: list[tuple[str, list[dict[str, Any]]]] = []
    for metric, expression in records.items():
        own = re.findall(rf"{metric}\{{[^}}]*\}}", expression)[0]
        alone = f"max without (instance, job, average) ({own})"
        difference = (
            f"abs(({expression}) - on (version, feature, attribute, group) group_left () {alone}) < 1e-12"
        )
        queries.append((f"count({difference}) == bool count({alone}) > 0", [{"labels": "{}", "value": 1}]))
    asked(tmp_path, page, queries)
