"""A binary model whose log names its two classes in its own way, against scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn import metrics

from tests.support.commands import exporter
from tests.support.logs import EPOCH, Gauges, monitor, once, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

ROWS = 60
RNG = np.random.default_rng(4)
LABELS = RNG.integers(0, 2, ROWS)
PREDICTED = np.where(RNG.random(ROWS) < 0.7, LABELS, 1 - LABELS)
METRICS = {
    "ml_model_accuracy": metrics.accuracy_score,
    "ml_model_precision": metrics.precision_score,
    "ml_model_recall": metrics.recall_score,
    "ml_model_f1": metrics.f1_score,
}


class Found(NamedTuple):
    check: str
    gauges: Gauges

    @property
    def rejected(self) -> dict[tuple[str, str], float]:
        counters = self.gauges["ml_sink_rejected_records_total"]
        return {(labels["sink"], labels["reason"]): number for labels, number in counters if number}


def run(
    folder: Path, classes: list[Any], *, labels: list[Any] | None = None, scored: bool = False, **more: Any
) -> Found:
    """``classes``: negative and positive, as the log of predictions writes them; ``labels``: as that of labels does."""
    labels = classes if labels is None else labels
    write_lines(
        folder / "logs/predictions.jsonl",
        (
            {"ts": EPOCH + i, "id": i, "class": classes[code], "score": 0.25 + 0.5 * int(code)}
            for i, code in enumerate(PREDICTED)
        ),
    )
    write_lines(
        folder / "logs/labels.jsonl", ({"id": i, "label": labels[code]} for i, code in enumerate(LABELS))
    )
    fields = {"timestamp": "ts", "id": "id", "prediction": "class", **({"score": "score"} if scored else {})}
    sink = {"file": {"path": "logs/predictions.jsonl"}}
    path = write_monitor(folder, monitor(predictions={"sink": sink, "fields": fields, **more}))
    return Found(exporter("check", path, check=False).stdout, once(path))


@pytest.mark.parametrize(
    "classes",
    [
        [-1, 1],
        [-1.0, 1.0],
        ["-1", "1"],
        ["no", "yes"],
        ["No", "YES"],
        [False, True],
        ["False", "True"],
        [0, 1.0],
    ],
    ids=str,
)
def test_classes_that_need_no_name(classes: list[Any], tmp_path: Path) -> None:
    found = run(tmp_path, classes)
    assert found.rejected == {}
    assert "positiveClass" not in found.check
    for name, metric in METRICS.items():
        assert value(found.gauges, name) == pytest.approx(metric(LABELS, PREDICTED)), name
    assert value(found.gauges, "ml_label_positive_ratio") == pytest.approx(LABELS.mean())
    share = value(found.gauges, "ml_prediction_class_ratio", **{"class": "1"})
    assert share == pytest.approx(PREDICTED.mean())


def test_labels_in_other_words_than_predictions(tmp_path: Path) -> None:
    found = run(tmp_path, [0, 1], labels=[-1, 1])
    assert found.rejected == {}
    assert value(found.gauges, "ml_model_f1") == pytest.approx(metrics.f1_score(LABELS, PREDICTED))


@pytest.mark.parametrize(
    ("classes", "positive"),
    [([0, 1.0], "1"), ([1, -1.0], "-1"), (["b", "a"], "a"), ([1, 2.0], "2.0")],
    ids=str,
)
def test_a_positive_class_that_is_named(classes: list[Any], positive: str, tmp_path: Path) -> None:
    found = run(tmp_path, classes, positiveClass=positive)
    assert found.rejected == {}
    assert value(found.gauges, "ml_model_f1") == pytest.approx(metrics.f1_score(LABELS, PREDICTED))


@pytest.mark.parametrize("scored", [False, True])
def test_classes_that_nobody_named_are_counted_and_not_guessed(scored: bool, tmp_path: Path) -> None:
    """Not from the score either: the model's own threshold may be another."""
    found = run(tmp_path, ["bad", "good"], labels=[0, 1], scored=scored)
    assert found.rejected == {("predictions", "unknown_class"): ROWS}
    assert (
        "warning: predictions that are none of 0/1, -1/1, false/true and no/yes need predictions.positiveClass"
        in found.check
    )
    assert not METRICS.keys() & found.gauges.keys()
    assert value(found.gauges, "ml_label_coverage_ratio") == 1
    assert ("ml_model_auc_roc" in found.gauges) == scored
    assert not any(name.startswith("ml_model_confusion") for name in found.gauges)


@pytest.mark.parametrize("labels", [[0, 1], [2, 1]], ids=str)
def test_half_of_the_classes_are_no_f1(labels: list[int], tmp_path: Path) -> None:
    """Of classes 1 and 2 only the first is one; all that can be read is right, and F1 would be 1."""
    found = run(tmp_path, [2, 1], labels=labels)
    assert found.rejected["predictions", "unknown_class"] == (PREDICTED == 0).sum()
    assert not METRICS.keys() & found.gauges.keys()
    for name in METRICS:
        assert value(found.gauges, "ml_gauge_withheld", gauge=name, reason="classes_unknown") == 1


def test_one_odd_prediction_hides_nothing(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({"ts": EPOCH + ROWS + i, "id": f"more {i}", "class": "?" if i == 0 else i % 2} for i in range(100)),
    )
    found = run(tmp_path, [0, 1])
    assert found.rejected == {("predictions", "unknown_class"): 1}
    assert value(found.gauges, "ml_model_f1") == pytest.approx(metrics.f1_score(LABELS, PREDICTED))


def test_labels_that_nobody_named(tmp_path: Path) -> None:
    found = run(tmp_path, [0, 1], labels=["bad", "good"])
    assert found.rejected == {("labels", "invalid_label"): ROWS}
    assert (
        "warning: labels that are none of 0/1, -1/1, false/true and no/yes need predictions.positiveClass"
        in found.check
    )
    assert not METRICS.keys() & found.gauges.keys()


def test_a_baseline_reads_classes_likewise(tmp_path: Path) -> None:
    rows = [{"class": (-1, 1)[p], "label": ("no", "yes")[y]} for p, y in zip(PREDICTED, LABELS, strict=True)]
    write_lines(tmp_path / "train.jsonl", rows)
    run(tmp_path, [-1, 1], labels=["no", "yes"])
    predictions = {
        "sink": {"file": {"path": "logs/predictions.jsonl"}},
        "fields": {"timestamp": "ts", "id": "id", "prediction": "class"},
    }
    content = monitor(predictions=predictions, references={"training": {"static": "reference.json"}})
    path = write_monitor(tmp_path, content)
    exporter("baseline", path, "--data", tmp_path / "train.jsonl", "--out", tmp_path / "reference.json")
    gauges = once(path)
    for name in ("ml_prediction_psi", "ml_label_psi"):
        assert value(gauges, name, reference="training") == pytest.approx(0, abs=1e-9)
