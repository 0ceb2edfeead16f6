"""Probabilities that rounding puts outside of 0 to 1 are clipped; what lies further outside is refused."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from exporter.summary.outcomes import as_probabilities
from exporter.tasks import task_of
from exporter.tasks.task import Outputs
from mlslo.monitor import Spec
from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, once, value, write_lines, write_monitor

ONE = float(np.float32(1.0000001))
# Score, and what it is clipped to; None where it is refused.
SCORES: list[tuple[float, float | None]] = [
    (ONE, 1.0), (1 + 1e-6, 1.0), (1 + 1.1e-6, None), (-1e-9, 0.0), (-1e-6, 0.0), (-1.1e-6, None), (-0.0, 0.0),
    (1.0, 1.0), (0.0, 0.0), (5e-324, 5e-324), (math.nextafter(1, 0), math.nextafter(1, 0)), (-5e-324, 0.0),
    (2.0, None), (-1.0, None), (math.inf, None), (-math.inf, None), (math.nan, None),
]  # fmt: skip


def outputs(task: str, raw: dict[str, Any]) -> tuple[Outputs, Counter[str]]:
    more = {"classes": ["a", "b"]} if task == "multiclass" else {}
    content = monitor(task=task)["spec"]
    content["predictions"] |= more
    rejected: Counter[str] = Counter()
    rows = len(next(iter(raw.values())))
    return task_of(Spec.model_validate(content), {}).outputs(
        raw, np.ones(rows, dtype=bool), rejected
    ), rejected


def test_binary_scores_through_the_command(tmp_path: Path) -> None:
    given = [ONE, -1e-9, -0.0, 0.25, 0.75, 1.00001, -0.00001]
    labels = [1, 0, 1, 0, 0, 1, 0]
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({"ts": EPOCH + i, "id": f"r{i}", "score": score} for i, score in enumerate(given)),
    )
    write_lines(
        tmp_path / "logs/labels.jsonl", ({"id": f"r{i}", "label": label} for i, label in enumerate(labels))
    )
    path = write_monitor(tmp_path)
    assert "2 of them in part (2 invalid_score)" in exporter("check", path, check=False).stdout
    gauges = once(path)
    clipped, known = np.clip(given[:5], 0, 1), labels[:5]
    assert value(gauges, "ml_prediction_mean") == pytest.approx(clipped.mean())
    assert value(gauges, "ml_model_brier_score") == pytest.approx(metrics.brier_score_loss(known, clipped))
    assert value(gauges, "ml_model_accuracy") == pytest.approx(metrics.accuracy_score(known, clipped >= 0.5))
    assert value(gauges, "ml_model_auc_roc") == pytest.approx(metrics.roc_auc_score(known, clipped))
    assert value(gauges, "ml_model_log_loss") == pytest.approx(metrics.log_loss(known, clipped))
    # -1e-9 and -0.0 are one value, 0.
    assert value(gauges, "ml_prediction_top_value_ratio") == pytest.approx(2 / 5, abs=1e-3)


def test_every_boundary_of_a_score() -> None:
    scores = np.array([score for score, _ in SCORES])
    expected = np.array([np.nan if clipped is None else clipped for _, clipped in SCORES])
    assert np.array_equal(as_probabilities(scores), expected, equal_nan=True)
    assert not np.signbit(as_probabilities(np.array([-0.0, -1e-9]))).any()
    found, rejected = outputs("binary", {"score": scores})
    assert np.array_equal(found.score, expected, equal_nan=True)
    assert rejected == {"invalid_score": np.isnan(expected).sum()}
    there = ~np.isnan(expected)
    assert (found.confidence[there] >= 0.5).all()
    assert (found.confidence[there] <= 1).all()
    assert (found.entropy[there] >= 0).all()


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ((ONE, 0.0), (1.0, 0.0)),
        ((ONE, -1e-9), (1.0, 0.0)),
        ((-0.0, 1.0), (0.0, 1.0)),
        ((1 + 1e-6, -1e-6), (1.0, 0.0)),
        ((1.0, -1.1e-6), None),
        # A sum that is 0.02 from 1, but for the rounding of the sum.
        ((0.51, 0.51), (0.5, 0.5)),
        ((0.49, 0.49), (0.5, 0.5)),
        ((0.52, 0.51), None),
        ((0.49, 0.48), None),
        ((math.inf, 0.0), None),
        ((1.5, -0.5), None),
    ],
)
def test_probabilities_of_classes(
    probabilities: tuple[float, float], expected: tuple[float, float] | None
) -> None:
    raw = {f"probability {i}": np.array([number]) for i, number in enumerate(probabilities)}
    found, rejected = outputs("multiclass", {"predicted": np.array([-1]), **raw})
    if expected is None:
        assert rejected == {"invalid_score": 1}
        assert np.isnan(found.score).all()
    else:
        assert not rejected
        assert found.score == pytest.approx(max(expected))
        assert found.predicted == [np.argmax(expected)]
        assert found.payload is not None
        kept = np.frombuffer(found.payload[0][4:], dtype=np.float32)
        assert kept == pytest.approx(np.array(expected, dtype=np.float32))


def test_a_baseline_clips_too(tmp_path: Path) -> None:
    """Or its calibration would rest on other rows than the window."""
    rows = [{"score": score, "label": label} for score, label in [(ONE, 1), (-1e-9, 0), (0.5, 1)] * 100]
    write_lines(tmp_path / "train.jsonl", rows)
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({"ts": EPOCH + i, "id": f"r{i}", "score": row["score"]} for i, row in enumerate(rows)),
    )
    path = write_monitor(tmp_path, monitor(references={"training": {"static": "reference.json"}}))
    (tmp_path / "logs/labels.jsonl").touch()
    exporter("baseline", path, "--data", tmp_path / "train.jsonl", "--out", tmp_path / "reference.json")
    gauges = once(path)
    assert value(gauges, "ml_prediction_psi", reference="training") == pytest.approx(0, abs=1e-9)
    assert value(gauges, "ml_model_estimated_accuracy") == pytest.approx(1)
