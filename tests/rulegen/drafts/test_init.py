"""`init` writes the alerts that a model deserves and its monitor can measure, and `generate` takes them as they are."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from rulegen.cli import main
from tests.support.logs import monitor
from tests.support.tools import tool

FIELDS = {
    "timestamp": "ts",
    "id": "id",
    "status": "status",
    "latency": {"field": "ms", "unit": "ms"},
    "score": "score",
    "prediction": "prediction",
    "features": "features",
}
STATIC = {"training": {"static": "reference.json"}}
LABELS = {
    "sink": {"file": {"path": "labels.jsonl"}},
    "fields": {"id": "id", "label": "label", "timestamp": "ts"},
}
ALWAYS = {
    "availability",
    "latency",
    "traffic",
    "features-drifted",
    "feature-drift",
    "missing-values",
    "new-categories",
    "prediction-drift",
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def written(folder: Path, *, fields: dict[str, Any] = FIELDS, **spec: Any) -> tuple[Path, dict[str, Any]]:
    """Return the folder of a monitor file with what ``init`` writes beside it, and the ModelSLO file."""
    content = monitor(**{"references": STATIC, "labels": None, "windows": ["1h", "1d"], **spec})
    content["metadata"]["name"] = "churn"
    content["spec"]["predictions"] = {
        "sink": {"file": {"path": "log.jsonl"}},
        "fields": fields,
        **({"classes": ["a", "b", "c"]} if spec.get("task") in ("multiclass", "multilabel") else {}),
    }
    folder.mkdir(exist_ok=True)
    (folder / "churn.monitor.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    done = run("init", folder / "churn.monitor.yaml", "--out", folder)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.endswith(f"--out {folder / 'generated'}\n")
    return folder, yaml.safe_load((folder / "churn.slo.yaml").read_text(encoding="utf-8"))["spec"]


def names(spec: dict[str, Any]) -> set[str]:
    return {slo["name"] for slo in spec["slos"]}


CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "binary": ({"task": "binary", "labels": LABELS}, {"collapse", "auc", "calibration"}),
    "binary without labels": ({"task": "binary"}, {"collapse", "estimated-accuracy"}),
    "multiclass": ({"task": "multiclass", "labels": LABELS}, {"accuracy", "calibration"}),
    "multilabel": ({"task": "multilabel", "labels": LABELS}, {"accuracy"}),
    "regression": ({"task": "regression", "labels": LABELS}, {"collapse", "r2"}),
    "ranking": ({"task": "ranking", "labels": LABELS}, {"ndcg"}),
}
BY_GROUP: dict[str, Any] = {
    "task": "binary",
    "labels": LABELS,
    "segments": ["features.plan"],
    "fairness": {"attributes": ["features.age_band"]},
    "features": {"age": {"type": "numeric", "range": [0, 120]}},
    "references": {"first-day": {"first": "1d"}},
}


@pytest.mark.parametrize("name", CASES)
def test_a_task_has_the_alerts_that_it_deserves(name: str, tmp_path: Path) -> None:
    given, further = CASES[name]
    folder, spec = written(tmp_path / "specs", **given)
    assert names(spec) == ALWAYS | further
    generated = run("generate", folder, "--out", tmp_path / "generated")
    assert generated.exit_code == 0, generated.stderr
    said = [line for line in generated.stderr.splitlines() if not line.endswith("[placeholder-receiver]")]
    assert said == []


def test_only_what_is_measured_is_promised(tmp_path: Path) -> None:
    _, spec = written(tmp_path, fields={"timestamp": "ts"}, task="binary", references={})
    assert names(spec) == {"traffic"}
    assert spec["companions"].keys() == {"sinkDown", "sinkBehind", "fieldMissing"}
    _, spec = written(tmp_path / "a", task="binary", metrics={"exclude": ["ml_feature_psi"]})
    assert "feature-drift" not in names(spec)
    _, spec = written(tmp_path / "b", task="binary", features={"age": {"type": "numeric"}})
    assert "new-categories" not in names(spec)


def test_groups_and_ranges_have_alerts_of_their_own(tmp_path: Path) -> None:
    _, spec = written(tmp_path / "specs", **BY_GROUP)
    assert names(spec) - ALWAYS == {
        "traffic-by-plan", "parity-age-band", "odds-age-band", "out-of-range", "collapse", "auc", "calibration",
    }  # fmt: skip
    (drift,) = (slo for slo in spec["slos"] if slo["name"] == "feature-drift")
    assert drift["sli"]["gauge"] == {"metric": "ml_feature_psi", "window": "1d", "reference": "first-day"}


def test_a_limit_that_nobody_chose_is_held_against_noise_past_and_reference(tmp_path: Path) -> None:
    _, spec = written(tmp_path / "a", **{**BY_GROUP, "references": STATIC})
    when = {alert["name"]: alert["when"] for slo in spec["slos"] for alert in slo.get("alerts", [])}
    assert when["CalibrationLost"] == {"above": 0.1, "beyondNoise": True}
    assert when["QualityDropped"].keys() == {"adaptive"}
    apart = {"all": [{"below": 0.8}, {"belowReference": {"byFactor": 0.9}}]}
    assert when["SelectionRatesApartByAgeBand"] == apart
    without = {
        "exclude": ["ml_calibration_error_standard_error", "ml_fairness_demographic_parity_ratio_reference"]
    }
    _, spec = written(tmp_path / "b", **{**BY_GROUP, "references": STATIC, "metrics": without})
    assert not {"calibration", "parity-age-band"} & names(spec)
    _, spec = written(tmp_path / "c", **BY_GROUP)
    (parity,) = (slo for slo in spec["slos"] if slo["name"] == "parity-age-band")
    assert parity["alerts"][0]["when"] == {"below": 0.8}


@pytest.mark.slow
# What the other tasks have, these have too.
@pytest.mark.parametrize(
    "given",
    [CASES["regression"][0], CASES["binary without labels"][0], BY_GROUP],
    ids=["regression", "binary without labels", "groups"],
)
def test_generated_tests_hold(given: dict[str, Any], tmp_path: Path) -> None:
    folder, _ = written(tmp_path / "specs", **given)
    assert run("generate", folder, "--out", tmp_path).exit_code == 0
    rules = sorted((tmp_path / "rules").glob("*_test.yaml"))
    commands: list[list[str | Path]] = [
        [tool("promtool"), "test", "rules", *rules],
        [tool("amtool"), "check-config", tmp_path / "alertmanager/alertmanager.yaml"],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_placeholder_is_named(tmp_path: Path) -> None:
    folder, _ = written(tmp_path / "specs", task="binary")
    text = (folder / "routing.yaml").read_text(encoding="utf-8")
    found = run("generate", folder, "--out", tmp_path / "generated").stderr.splitlines()
    assert len(found) == sum("REPLACE-ME" in line and line[0] != "#" for line in text.splitlines()) == 4
    assert run("generate", folder, "--out", tmp_path / "strict", "--strict").exit_code == 1


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder, _ = written(tmp_path / "specs", task="binary")
    (folder / "routing.yaml").write_text("# ours\n", encoding="utf-8")
    (folder / "churn.slo.yaml").write_text("# ours\n", encoding="utf-8")
    again = run("init", folder / "churn.monitor.yaml", "--out", folder)
    assert again.exit_code == 2
    assert again.stderr == f"{folder}/churn.slo.yaml: is there already; --force writes over it\n"
    assert (folder / "churn.slo.yaml").read_text(encoding="utf-8") == "# ours\n"
    assert run("init", folder / "churn.monitor.yaml", "--out", folder, "--force").exit_code == 0
    assert (folder / "churn.slo.yaml").read_text(encoding="utf-8") != "# ours\n"
    assert (folder / "routing.yaml").read_text(encoding="utf-8") == "# ours\n"


def test_a_broken_monitor_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: ModelMonitor\n", encoding="utf-8")
    done = run("init", tmp_path / "a.yaml", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert f"{tmp_path}/a.yaml:1:1: missing key 'apiVersion'" in done.stderr
    assert not (tmp_path / "out").exists()
