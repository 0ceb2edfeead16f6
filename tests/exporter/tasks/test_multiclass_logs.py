"""What the log of a multiclass model can hold: odd names, labels of unknown classes, two classes, other classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB

from exporter.statistics import multiclass
from tests.support.commands import exporter
from tests.support.logs import AT, EPOCH, monitor, once, value, write_lines, write_monitor


def fields(**names: str) -> dict[str, str]:
    return {"timestamp": "ts", "id": "id", "version": "version", **names}


NAMES = ('a.b "quoted"', "it's", "3.0")


def test_odd_names_of_classes_and_what_nobody_knows(tmp_path: Path) -> None:
    data = load_wine()
    probabilities = cross_val_predict(GaussianNB(), data.data, data.target, cv=3, method="predict_proba")
    predicted, size = probabilities.argmax(axis=1), len(data.target)

    def score(row: int) -> dict[str, float]:
        # The key of a number may have lost its ".0", or have kept it.
        keys = (*NAMES[:2], "3" if row % 2 else "3.0")
        return dict(zip(keys, probabilities[row].tolist(), strict=True))

    answers: list[dict[str, Any]] = [{"score": score(i)} for i in range(size)]
    answers += [
        {"score": {"it's": 0.5}},
        {"score": {**dict.fromkeys(NAMES, 0.4)}},
        {"score": {"it's": 0.495, "3": 0.495}},
        {"score": [0.2, 0.3, 0.4]},
        {"score": {"it's": -0.5, "3": 1.5}},
        {"score": {"another": 1.0}},
        {"score": 1.0},
        {"class": "never heard of"},
        {"class": 3},
        {"class": "3.0"},
        {"class": "it's", "score": "garbage"},
        {},
    ]
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({"ts": EPOCH + i, "id": f"r{i}", "version": "v", **answer} for i, answer in enumerate(answers)),
    )
    threes = (3, 3.0, "3", "3.0")
    labels: list[Any] = [NAMES[code] if code < 2 else threes[row % 4] for row, code in enumerate(data.target)]
    # Of an answer that was refused, none, of a class that nobody knows; and of a class that is right.
    labels += ["it's", None, "nobody's", *["it's"] * 5, 3.0]
    write_lines(
        tmp_path / "logs/labels.jsonl",
        ({"ts": EPOCH + i, "id": f"r{i}", "label": label} for i, label in enumerate(labels)),
    )
    path = write_monitor(
        tmp_path,
        monitor(
            task="multiclass",
            predictions={
                "sink": {"file": {"path": "logs/predictions.jsonl"}},
                "fields": fields(score="score", prediction="class"),
                "classes": list(NAMES),
            },
        ),
    )
    gauges = once(path)
    counts = np.bincount(predicted, minlength=3) + np.array([0, 2, 2])
    given = size + 5
    for code, name in enumerate((*NAMES[:2], "3")):
        found = value(gauges, "ml_prediction_class_ratio", **{"class": name})
        assert found == pytest.approx(counts[code] / given)
    right = int((predicted == data.target).sum())
    # One more is right, and one has a label that nobody knows.
    assert value(gauges, "ml_model_accuracy") == pytest.approx((right + 1) / (size + 2))
    assert value(gauges, "ml_label_coverage_ratio") == pytest.approx((size + 3) / given)
    rejected = {
        (labels["sink"], labels["reason"]): number
        for labels, number in gauges["ml_sink_rejected_records_total"]
        if number
    }
    assert rejected == {
        ("predictions", "invalid_score"): 7,
        ("predictions", "unknown_class"): 1,
        ("labels", "unknown_class"): 1,
        ("labels", "invalid_label"): 1,
    }
    assert value(gauges, "ml_labels_unmatched_total") == 5
    checked = exporter("check", path).stdout
    assert "7 invalid_score" in checked
    assert "unknown_class" in checked


@pytest.mark.parametrize("scored", [False, True])
def test_a_label_that_the_model_does_not_know_is_a_miss(scored: bool, tmp_path: Path) -> None:
    """Of ten labels two are of new classes; the model is right about all others."""
    labels = [*"abcabcab", "new", "new"]
    predicted = [*"abcabcabab"]
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        (
            {
                "ts": EPOCH + i,
                "id": f"r{i}",
                ("score" if scored else "class"): {name: 1.0} if scored else name,
            }
            for i, name in enumerate(predicted)
        ),
    )
    write_lines(
        tmp_path / "logs/labels.jsonl",
        ({"ts": EPOCH + i + 1, "id": f"r{i}", "label": label} for i, label in enumerate(labels)),
    )
    output = {"score": "score"} if scored else {"prediction": "class"}
    predictions = {
        "sink": {"file": {"path": "logs/predictions.jsonl"}},
        "fields": {"timestamp": "ts", "id": "id", **output},
        "classes": ["a", "b", "c"],
    }
    gauges = once(write_monitor(tmp_path, monitor(task="multiclass", predictions=predictions)))
    assert value(gauges, "ml_model_accuracy") == metrics.accuracy_score(labels, predicted) == 0.8
    assert value(gauges, "ml_model_accuracy_by_delay", delay="1m") == 0.8
    for average in multiclass.AVERAGES:
        for name, score in (
            ("precision", metrics.precision_score),
            ("recall", metrics.recall_score),
            ("f1", metrics.f1_score),
        ):
            exact = score(labels, predicted, average=average, zero_division=np.nan)
            assert value(gauges, f"ml_model_{name}", average=average) == pytest.approx(exact)
    unknown = value(gauges, "ml_sink_rejected_records_total", sink="labels", reason="unknown_class")
    assert unknown == 2
    assert value(gauges, "ml_label_coverage_ratio") == 1


def test_unknown_labels_of_groups(tmp_path: Path) -> None:
    """They are neither of the two classes whose rates are compared."""
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        (
            {"ts": EPOCH + i, "id": f"r{i}", "group": "xy"[i % 2], "class": "ab"[i // 2 % 2]}
            for i in range(40)
        ),
    )
    write_lines(
        tmp_path / "logs/labels.jsonl",
        ({"id": f"r{i}", "label": "new" if i < 8 else "ab"[i // 2 % 2]} for i in range(40)),
    )
    predictions = {
        "sink": {"file": {"path": "logs/predictions.jsonl"}},
        "fields": {"timestamp": "ts", "id": "id", "prediction": "class"},
        "classes": ["a", "b"],
    }
    path = write_monitor(
        tmp_path, monitor(task="multiclass", predictions=predictions, fairness={"attributes": ["group"]})
    )
    assert value(once(path), "ml_model_accuracy") == pytest.approx(0.8)


def test_two_classes_are_compared_by_the_probability_of_the_second(tmp_path: Path) -> None:
    """Not by the largest one: that of a row that is certainly of the first class is no promise of the second."""
    rng = np.random.default_rng(8)
    positive = np.round(rng.random(400), 3)
    labels = (rng.random(400) < positive).astype(int)
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        (
            {"ts": EPOCH + i, "id": f"r{i}", "group": "xy"[i % 2], "score": {"a": 1 - p, "b": p}}
            for i, p in enumerate(positive.tolist())
        ),
    )
    write_lines(
        tmp_path / "logs/labels.jsonl", ({"id": f"r{i}", "label": "ab"[y]} for i, y in enumerate(labels))
    )
    predictions = {
        "sink": {"file": {"path": "logs/predictions.jsonl"}},
        "fields": {"timestamp": "ts", "id": "id", "score": "score"},
        "classes": ["a", "b"],
    }
    path = write_monitor(
        tmp_path, monitor(task="multiclass", predictions=predictions, fairness={"attributes": ["group"]})
    )
    gauges = once(path)
    for offset, group in enumerate("xy"):
        score, label = positive[offset::2], labels[offset::2]
        bins = np.ceil(score * 15)
        gaps = [abs(score[bins == b].sum() - label[bins == b].sum()) for b in np.unique(bins)]
        found = value(gauges, "ml_fairness_calibration_error", group=group)
        assert found == pytest.approx(sum(gaps) / 200, abs=1e-4)
        rate = metrics.recall_score(label, score > 0.5)
        assert value(gauges, "ml_fairness_true_positive_rate", group=group) == pytest.approx(rate)


def test_codes_that_wait_mean_nothing_once_the_classes_are_others(tmp_path: Path) -> None:
    """Not wrong, but unknown: with the names in another order every right answer would read as a wrong one."""
    sink = {"file": {"path": "logs/predictions.jsonl"}}
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({"ts": EPOCH + i, "id": f"r{i}", "class": "abc"[i % 3]} for i in range(30)),
    )
    (tmp_path / "logs/labels.jsonl").touch()
    for names in ("abc", "bca"):
        predictions = {
            "sink": sink,
            "fields": {"timestamp": "ts", "id": "id", "prediction": "class"},
            "classes": list(names),
        }
        path = write_monitor(tmp_path, monitor(task="multiclass", predictions=predictions))
        gauges = once(path, "--state-dir", tmp_path / "state")
        write_lines(
            tmp_path / "logs/labels.jsonl",
            ({"id": f"r{i}", "label": "abc"[i % 3]} for i in range(15)),
        )
    assert "ml_model_accuracy" not in gauges
    assert value(gauges, "ml_gauge_withheld", gauge="ml_model_accuracy", reason="too_few_samples") == 1
    assert value(gauges, "ml_label_class_ratio", **{"class": "b"}) == pytest.approx(1 / 3)


def test_classes_of_numbers_written_as_floats(tmp_path: Path) -> None:
    """As pandas writes the columns of a data frame of floats."""
    scores = [{"3.0": 0.6, "5.0": 0.4} if i % 2 else {"3.0": 0.2, "5.0": 0.8} for i in range(60)]
    labels = [3 if i % 2 else 5 for i in range(60)]
    write_lines(
        tmp_path / "train.jsonl",
        ({"score": score, "label": label} for score, label in zip(scores, labels, strict=True)),
    )
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({"ts": EPOCH + i, "id": f"r{i}", "score": score} for i, score in enumerate(scores)),
    )
    write_lines(
        tmp_path / "logs/labels.jsonl",
        ({"id": f"r{i}", "label": float(label)} for i, label in enumerate(labels)),
    )
    predictions = {
        "sink": {"file": {"path": "logs/predictions.jsonl"}},
        "fields": {"timestamp": "ts", "id": "id", "score": "score"},
    }
    content = monitor(
        task="multiclass", predictions=predictions, references={"training": {"static": "reference.json"}}
    )
    path = write_monitor(tmp_path, content)
    exporter("baseline", path, "--data", tmp_path / "train.jsonl", "--out", tmp_path / "reference.json")
    gauges = once(path)
    for name in ("ml_prediction_psi", "ml_label_psi"):
        assert value(gauges, name) == pytest.approx(0)
    for name in ("ml_model_accuracy", "ml_model_estimated_accuracy"):
        assert value(gauges, name) == pytest.approx(1)
    assert value(gauges, "ml_prediction_class_ratio", **{"class": "3"}) == 0.5


def test_two_classes_are_compared_by_name(tmp_path: Path) -> None:
    """The reference has them by frequency, the task by name."""
    classes = ["dog"] * 80 + ["cat"] * 20
    write_lines(tmp_path / "train.jsonl", ({"class": name, "label": name} for name in classes))
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({"ts": EPOCH + i, "id": f"r{i}", "class": name} for i, name in enumerate(classes)),
    )
    write_lines(
        tmp_path / "logs/labels.jsonl", ({"id": f"r{i}", "label": name} for i, name in enumerate(classes))
    )
    predictions = {
        "sink": {"file": {"path": "logs/predictions.jsonl"}},
        "fields": {"timestamp": "ts", "id": "id", "prediction": "class"},
    }
    content = monitor(
        task="multiclass", predictions=predictions, references={"training": {"static": "reference.json"}}
    )
    path = write_monitor(tmp_path, content)
    exporter("baseline", path, "--data", tmp_path / "train.jsonl", "--out", tmp_path / "reference.json")
    gauges = once(path)
    assert value(gauges, "ml_prediction_psi") == pytest.approx(0)
    assert value(gauges, "ml_label_psi") == pytest.approx(0)
    assert value(gauges, "ml_prediction_class_ratio", **{"class": "dog"}) == 0.8
    assert value(gauges, "ml_model_accuracy") == 1


def test_without_classes_they_are_asked_for(tmp_path: Path) -> None:
    """No label is to blame, whatever its value."""
    times = range(120)
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({"ts": EPOCH + i, "id": f"r{i}", "class": ("tech", "sport")[i % 2]} for i in times),
    )
    write_lines(
        tmp_path / "logs/labels.jsonl", ({"ts": EPOCH + i, "id": f"r{i}", "label": "tech"} for i in times)
    )
    predictions = {
        "sink": {"file": {"path": "logs/predictions.jsonl"}},
        "fields": {"timestamp": "ts", "id": "id", "prediction": "class"},
    }
    path = write_monitor(tmp_path, monitor(task="multiclass", predictions=predictions))
    said = "no class is known: list them under 'predictions.classes', or build a reference"
    done = exporter("check", path, check=False)
    assert done.returncode == 1
    _, labels = done.stdout.split("\nlabels: ")
    assert "0 of the first 120 records usable (120 invalid_label)" in labels
    assert f"  warning: field 'label': {said}\n" in labels
    assert "never a class" not in done.stdout
    assert f"labels: field 'label': {said}" in exporter("once", path, "--at", AT).stderr
