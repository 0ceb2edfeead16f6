"""The example's recorded files are what its script makes, and hold what the story promises."""

import json
import math
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import recall_score, roc_auc_score

from examples.story import PHASES, START, phase_at
from mlslo import monitor
from tests.support.paths import ROOT

DIABETES = ROOT / "examples" / "diabetes"
FILES = ("reference-data.jsonl", "logs/predictions.jsonl", "logs/labels.jsonl")

Record = dict[str, Any]


def records(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def alike(made: Any, recorded: Any) -> bool:
    """Equal, but for what another processor's floating point may do to the last digit of a score."""
    if isinstance(made, dict) and isinstance(recorded, dict):
        return made.keys() == recorded.keys() and all(alike(made[key], recorded[key]) for key in made)
    if isinstance(made, float) and isinstance(recorded, float):
        return math.isclose(made, recorded, abs_tol=2e-4)
    return bool(made == recorded)


@pytest.mark.slow
def test_the_script_makes_the_recorded_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.make_example", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=ROOT)
    for name in FILES:
        made, recorded = records(tmp_path / name), records(DIABETES / name)
        assert len(made) == len(recorded), name
        different = [pair for pair in zip(made, recorded, strict=True) if not alike(*pair)]
        assert not different, (name, different[0])


@pytest.fixture(scope="module")
def joined() -> list[Record]:
    """Each labelled prediction with its label, and the chapter it is of (None before the story)."""
    labels = {record["request_id"]: record for record in records(DIABETES / "logs" / "labels.jsonl")}
    found = []
    for prediction in records(DIABETES / "logs" / "predictions.jsonl"):
        minute = (datetime.fromisoformat(prediction["ts"]) - START) / timedelta(minutes=1)
        label = labels.get(prediction["request_id"])
        if label is not None:
            assert label["ts"] > prediction["ts"]
            phase = phase_at(minute).name if minute >= 0 else None
            found.append({**prediction, "label": label["label"], "phase": phase})
    return found


def of_phase(joined: list[Record], phase: str | None) -> tuple[list[int], list[float], list[int]]:
    chosen = [record for record in joined if record["phase"] == phase]
    labels = [record["label"] for record in chosen]
    return labels, [record["score"] for record in chosen], [record["prediction"] for record in chosen]


def test_the_model_is_as_good_as_it_was_when_accepted_until_the_drift_blinds_it(joined: list[Record]) -> None:
    labels, scores, predictions = of_phase(joined, None)
    assert roc_auc_score(labels, scores) > 0.8
    assert recall_score(labels, predictions) > 0.5
    labels, scores, predictions = of_phase(joined, "drifting")
    # The ranking survives a change of units in a linear model; its decisions do not.
    assert roc_auc_score(labels, scores) > 0.8
    assert recall_score(labels, predictions) < 0.2


def test_the_collapsed_model_always_answers_the_same(joined: list[Record]) -> None:
    for phase in ("collapsed", "failing"):
        _, scores, _ = of_phase(joined, phase)
        assert len(scores) > 100
        assert len(set(scores)) == 1
    labels, scores, _ = of_phase(joined, "repaired")
    assert roc_auc_score(labels, scores) > 0.8


def test_chapters_follow_each_other() -> None:
    assert [phase.start for phase in PHASES[1:]] == [phase.end for phase in PHASES[:-1]]
    assert phase_at(-1) is PHASES[0]
    assert phase_at(1e9) is PHASES[-1]


def test_every_feature_that_the_monitor_names_is_in_the_log(joined: list[Record]) -> None:
    named = monitor.load(DIABETES / "monitor.yaml").spec.features
    assert set(named) < set(joined[0]["features"])
