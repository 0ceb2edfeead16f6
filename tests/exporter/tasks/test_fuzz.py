"""Whatever a record holds, the cycle ends, every record is counted, and no gauge is NaN."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.daemon.models import load_all
from exporter.measure.exposition import Snapshot
from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, write_lines, write_monitor

pytestmark = pytest.mark.slow

RAW = (
    "null", "true", '""', '"x"', "0", "-1", "3.0", "1e308", "-1e308", "1e400", "NaN", "Infinity", "9" * 400,
    "[]", "[[[1]]]", "[1, 1]", '["a", "b"]', '[null, {"a": [1]}]', '["a", "a"]', "[1e308, -1e308]",
    "{}", '{"a": 0.5, "b": 0.5}', '{"a": 0.5, "a": 0.7, "b": 0.5}', '{"a": [1]}', '{"a": {"b": 1}}',
    '{"a": "x"}', '{"a": 1e400}', '{"a": NaN}', '{"a": -0.5, "b": 1.5}', '{"A": 1}', '{"": 1}', '{"c": 1}',
    '{"a": 1e308, "b": 1e308}', "[" * 200 + "]" * 200, '"\\ud800"', '"' + "y" * 5000 + '"', "{]", '"\x01"',
    json.dumps({f"class {i}": 1e-4 for i in range(10_000)}), json.dumps(list(range(10_000))),
)  # fmt: skip
GOOD = {
    "binary": ("0.3", "1", "1"),
    "multiclass": ('{"a": 0.25, "b": 0.75}', '"b"', '"a"'),
    "multilabel": ('{"a": 0.25, "b": 0.75}', '["b", "3"]', '{"a": true, "b": false}'),
    "regression": ("1.5", "1.5", "2"),
    "ranking": ("[2, 1]", '["a", "b"]', '["b"]'),
}


def lines(task: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Each kind of garbage in each field, then garbage in all of them."""
    good = GOOD[task]
    cases = [tuple(raw if i == field else good[i] for i in range(3)) for field in range(3) for raw in RAW]
    cases += [tuple(rng.choice(RAW) for _ in range(3)) for _ in range(100)] + [good] * 100
    for number, (score, predicted, label) in enumerate(cases):
        start = f'"ts": {EPOCH + number}, "id": "r{number}"'
        yield (
            f'{{{start}, "version": "v", "score": {score}, "prediction": {predicted}, "fallback": {score}}}',
            f'{{{start}, "label": {label}}}',
        )


def run(path: Path, times: int = 1) -> Snapshot:
    (model,) = load_all([path])
    cycle = model.open(None)
    try:
        for _ in range(times):
            snapshot = cycle.run(at=EPOCH + 3600, final=True)
    finally:
        cycle.close()
    assert snapshot is not None
    return snapshot


@pytest.mark.parametrize("task", sorted(GOOD))
def test_garbage_in_every_field(task: str, tmp_path: Path) -> None:
    pairs = list(lines(task, random.Random(0)))
    write_lines(tmp_path / "logs/predictions.jsonl", (prediction for prediction, _ in pairs))
    write_lines(tmp_path / "logs/labels.jsonl", (label for _, label in pairs))
    names = ("timestamp", "id", "version", "score", "prediction", "fallback")
    predictions: dict[str, Any] = {
        "sink": {"file": {"path": "logs/predictions.jsonl"}},
        "fields": {**{name: name for name in names}, "timestamp": "ts"},
    }
    if task in ("multiclass", "multilabel"):
        predictions["classes"] = ["a", "b", "3"]
    if task == "regression":
        del predictions["fields"]["prediction"]
    snapshot = run(write_monitor(tmp_path, monitor(task=task, predictions=predictions)), times=2)
    series = snapshot.series
    for sink in ("predictions", "labels"):
        assert series["ml_sink_records_total"]["m", sink] == len(pairs)
    rejected = {key[1:]: number for key, number in series["ml_sink_rejected_records_total"].items()}
    assert rejected["predictions", "malformed"] >= 1
    assert rejected["predictions", "invalid_score"] >= 10
    assert all(np.isfinite(number) for found in series.values() for number in found.values())
    answered = sum(series["ml_monitor_samples"].values())
    assert answered == len(pairs) - rejected["predictions", "malformed"]
    labelled = series["ml_label_coverage_ratio"]["m", "v", "1h", "", ""]
    assert labelled > 0.5
    # Of errors beyond the floats there is no mean.
    assert any(name.startswith("ml_model_") for name in series) == (task != "regression")


@pytest.mark.slow
def test_ten_thousand_classes(tmp_path: Path) -> None:
    """Learned from a reference; probabilities of so many are not read, the classes are counted."""
    rng = np.random.default_rng(0)
    codes = np.concatenate([np.arange(10_000), rng.integers(0, 10_000, 2000)])
    write_lines(
        tmp_path / "train.jsonl",
        ({"prediction": f"c{i}", "label": f"c{i}"} for i in range(10_000)),
    )
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        (
            {"ts": EPOCH + 0.1 * i, "id": f"r{i}", "version": "v", "prediction": f"c{code}"}
            for i, code in enumerate(codes.tolist())
        ),
    )
    write_lines(
        tmp_path / "logs/labels.jsonl",
        ({"id": f"r{i}", "label": f"c{code + i % 2}"} for i, code in enumerate(codes.tolist())),
    )
    predictions = {
        "sink": {"file": {"path": "logs/predictions.jsonl"}},
        "fields": {"timestamp": "ts", "id": "id", "version": "version", "prediction": "prediction"},
    }
    content = monitor(
        task="multiclass", predictions=predictions, references={"training": {"static": "ref.json"}}
    )
    path = write_monitor(tmp_path, content)
    exporter("baseline", path, "--data", tmp_path / "train.jsonl", "--out", tmp_path / "ref.json")
    series = run(path).series
    # A label that is none of the ten thousand is a miss as well.
    right = np.mean(np.arange(len(codes)) % 2 == 0)
    assert series["ml_model_accuracy"]["m", "v", "1h", "", ""] == pytest.approx(right)
    withheld = {(gauge, reason) for _, _, _, gauge, reason in series["ml_gauge_withheld"]}
    for name in ("ml_prediction_class_ratio", "ml_label_class_ratio", "ml_model_confusion_ratio"):
        assert name not in series
        assert (name, "too_many_classes") in withheld
    assert series["ml_prediction_psi"]["m", "v", "1h", "training", "", ""] > 0
    assert series["ml_label_psi"]["m", "v", "1h", "training", "", ""] > 0
