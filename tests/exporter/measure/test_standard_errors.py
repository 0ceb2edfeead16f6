"""Each outcome that has a standard error comes with it: of all traffic, of segments, of averages."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from mlslo.catalogue import METRICS
from tests.support.logs import EPOCH, Gauges, monitor, once, record, value, write_lines, write_monitor

SUFFIX = "_standard_error"
WITH_ERROR = [name.removesuffix(SUFFIX) for name in METRICS if name.endswith(SUFFIX)]


def logs(folder: Path, predictions: list[dict[str, Any]], labels: list[Any]) -> None:
    records = [record(number, at=number, **row) for number, row in enumerate(predictions)]
    write_lines(folder / "logs/predictions.jsonl", records)
    lines = [
        {"id": f"r{number}", "label": label, "ts": EPOCH + number + 1} for number, label in enumerate(labels)
    ]
    write_lines(folder / "logs/labels.jsonl", lines)


def paired(gauges: Gauges) -> set[str]:
    """Names of the figures; each series of one has its error, and no error is there alone."""
    for name in WITH_ERROR:
        figures, errors = (
            [{**labels, "class": ""} for labels, _ in gauges.get(one, []) if not labels.get("class")]
            for one in (name, name + SUFFIX)
        )
        key = lambda labels: sorted(labels.items())  # noqa: E731
        assert sorted(figures, key=key) == sorted(errors, key=key), name
        assert all(number > 0 for _, number in gauges.get(name + SUFFIX, [])), name
    return {name for name in WITH_ERROR if name in gauges}


def test_a_binary_model_and_its_segments(tmp_path: Path) -> None:
    rows = [
        {
            "score": (number * 37 % 100) / 100,
            "prediction": int(number * 37 % 100 > 50),
            "features": {"country": "DE" if number % 3 else "FR"},
        }
        for number in range(90)
    ]
    logs(tmp_path, rows, [int(number * 37 % 100 > 40) for number in range(90)])
    gauges = once(write_monitor(tmp_path, monitor(segments=["features.country"])))
    assert paired(gauges) == {name for name in WITH_ERROR if "binary" in METRICS[name].tasks}
    accuracy = value(gauges, "ml_model_accuracy")
    assert accuracy is not None
    share = (90 * accuracy + 2) / 94
    expected = math.sqrt(share * (1 - share) / 90)
    assert value(gauges, "ml_model_accuracy_standard_error") == pytest.approx(expected)


def test_a_perfect_model_of_few_labels_is_not_certain(tmp_path: Path) -> None:
    rows = [{"score": 0.9 if number < 5 else 0.1, "prediction": int(number < 5)} for number in range(10)]
    logs(tmp_path, rows, [int(number < 5) for number in range(10)])
    gauges = once(write_monitor(tmp_path, monitor()))
    assert value(gauges, "ml_model_recall") == 1.0
    assert value(gauges, "ml_model_recall_standard_error") == pytest.approx(0.186, abs=0.001)
    # With no figure there is no error, and both are counted.
    assert paired(once(write_monitor(tmp_path, monitor(minSamples=50)))) == set()


def test_several_classes_have_the_errors_of_their_averages(tmp_path: Path) -> None:
    classes = ("a", "b", "c")
    rows = [
        {
            "score": {name: 0.8 if name == classes[number * 7 % 10 % 3] else 0.1 for name in classes},
            "prediction": None,
        }
        for number in range(60)
    ]
    logs(tmp_path, rows, [classes[number * 7 % 11 % 3] for number in range(60)])
    content = monitor(task="multiclass")
    content["spec"]["predictions"]["classes"] = list(classes)
    gauges = once(write_monitor(tmp_path, content))
    assert paired(gauges) == {name for name in WITH_ERROR if "multiclass" in METRICS[name].tasks}
    averages = {labels["average"] for labels, _ in gauges["ml_model_f1_standard_error"]}
    assert averages == {"macro", "weighted"}


def test_numbers_have_the_error_of_their_mean_absolute_error(tmp_path: Path) -> None:
    rows = [{"score": number % 7 / 2, "prediction": None} for number in range(40)]
    logs(tmp_path, rows, [number % 5 for number in range(40)])
    assert paired(once(write_monitor(tmp_path, monitor(task="regression")))) == {"ml_model_mae"}
