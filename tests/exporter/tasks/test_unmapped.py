"""Monitors that map some of the fields: they work with these, and count nothing as invalid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from tests.support.commands import exporter
from tests.support.logs import EPOCH, Gauges, monitor, once, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

ROWS = 60


def spec(task: str, *, labelled: bool, fields: dict[str, str], **more: Any) -> dict[str, Any]:
    predictions = {
        "sink": {"file": {"path": "logs/predictions.jsonl"}},
        "fields": {"timestamp": "ts", "id": "id", "features": "features", **fields},
        **more,
    }
    labels = {} if labelled else {"labels": None}
    return monitor(task=task, predictions=predictions, features={"amount": {"type": "numeric"}}, **labels)


def classes(task: str) -> dict[str, Any]:
    return {"classes": ["a", "b"]} if task in ("multiclass", "multilabel") else {}


def write(folder: Path, outputs: list[dict[str, Any]], labels: list[Any]) -> None:
    write_lines(
        folder / "logs/predictions.jsonl",
        (
            {"ts": EPOCH + i, "id": f"r{i}", "features": {"amount": i}, **output}
            for i, output in enumerate(outputs)
        ),
    )
    write_lines(folder / "logs/labels.jsonl", ({"id": f"r{i}", "label": y} for i, y in enumerate(labels)))


def rejected(gauges: Gauges) -> dict[str, float]:
    counters = gauges["ml_sink_rejected_records_total"]
    return {labels["reason"]: number for labels, number in counters if number}


def test_a_binary_model_that_logs_classes_alone(tmp_path: Path) -> None:
    predicted = [int(i % 3 == 0) for i in range(ROWS)]
    labels = [int(i % 4 == 0) for i in range(ROWS)]
    write(tmp_path, [{"class": answer} for answer in predicted], labels)
    path = write_monitor(tmp_path, spec("binary", labelled=True, fields={"prediction": "class"}))
    assert "60 of the first 60 records usable\n" in exporter("check", path).stdout
    gauges = once(path)
    assert rejected(gauges) == {}
    assert value(gauges, "ml_model_accuracy") == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert value(gauges, "ml_model_precision") == pytest.approx(metrics.precision_score(labels, predicted))
    assert value(gauges, "ml_model_recall") == pytest.approx(metrics.recall_score(labels, predicted))
    assert value(gauges, "ml_model_f1") == pytest.approx(metrics.f1_score(labels, predicted))
    assert value(gauges, "ml_prediction_class_ratio", **{"class": "1"}) == pytest.approx(np.mean(predicted))
    assert value(gauges, "ml_label_coverage_ratio") == 1
    of_scores = ("ml_model_auc", "ml_prediction_mean", "ml_calibration", "ml_model_log_loss")
    assert not [name for name in gauges if name.startswith(of_scores)]


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression", "ranking"])
def test_a_model_whose_outputs_are_not_mapped(task: str, tmp_path: Path) -> None:
    write(tmp_path, [{"score": 5, "prediction": "x"}] * ROWS, [])
    path = write_monitor(tmp_path, spec(task, labelled=False, fields={}, **classes(task)))
    assert "60 of the first 60 records usable\n" in exporter("check", path).stdout
    gauges = once(path)
    assert rejected(gauges) == {}
    assert value(gauges, "ml_feature_mean", feature="amount") == pytest.approx((ROWS - 1) / 2)
    assert value(gauges, "ml_predictions_total") == ROWS
    assert not [name for name in gauges if name.startswith(("ml_prediction_mean", "ml_prediction_class"))]


@pytest.mark.parametrize(
    ("task", "fields", "output"),
    [
        ("binary", {"score": "out"}, 0.25),
        ("binary", {"prediction": "out"}, True),
        ("multiclass", {"score": "out"}, {"a": 0.75, "b": 0.25}),
        ("multiclass", {"prediction": "out"}, "b"),
        ("multilabel", {"score": "out"}, [0.75, 0.75]),
        ("multilabel", {"prediction": "out"}, ["a", "b"]),
        ("regression", {"score": "out"}, -2.5),
        ("regression", {"prediction": "out"}, 1e9),
        ("ranking", {"prediction": "out"}, ["x", "y"]),
        ("ranking", {"score": "out"}, [0.5, 0.25]),
    ],
)
def test_each_output_alone(task: str, fields: dict[str, str], output: Any, tmp_path: Path) -> None:
    write(tmp_path, [{"out": output}] * ROWS, [])
    gauges = once(write_monitor(tmp_path, spec(task, labelled=False, fields=fields, **classes(task))))
    assert rejected(gauges) == {}
