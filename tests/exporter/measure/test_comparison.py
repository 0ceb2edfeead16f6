"""Gauges of two versions compared, from the log to the exposition."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from exporter.daemon.models import load_all
from exporter.measure.comparison import BOUNDS, DIFFERENCE, compare
from exporter.measure.comparison_results import STATISTICS, Verdict, names
from exporter.measure.exposition import Snapshot
from exporter.measure.gauges import Reason
from exporter.statistics.differences import share_difference_interval
from mlslo.monitor import Comparison
from tests.support.logs import EPOCH, monitor, once, record, value, write_lines, write_monitor

LOW, HIGH = BOUNDS
OLD, NEW = 500, 400


def predictions(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """A candidate that fails more often, is as fast, and ranks better."""
    for number in range(OLD + NEW):
        new = number >= OLD
        label = int(rng.random() < 0.4)
        score = float(np.clip(rng.normal(0.4 + (0.3 if new else 0.1) * label, 0.15), 0.001, 0.999))
        failed = rng.random() < (0.08 if new else 0.01)
        yield record(
            number,
            at=number,
            version="v2" if new else "v1",
            status=503 if failed else 200,
            latency_ms=float(rng.lognormal(3, 0.4)),
            score=None if failed else score,
            prediction=None if failed else int(score > 0.5),
            label=label,
        )


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return list(predictions(np.random.default_rng(11)))


@pytest.fixture
def folder(rows: list[dict[str, Any]], tmp_path: Path) -> Path:
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    labels = ({"id": row["id"], "label": row["label"], "ts": row["ts"] + 1} for row in rows)
    write_lines(tmp_path / "logs/labels.jsonl", labels)
    return tmp_path


def measured(path: Path) -> Snapshot:
    (model,) = load_all([path])
    cycle = model.open(None)
    snapshot = cycle.run(at=EPOCH + 3600, final=True)
    cycle.close()
    assert snapshot is not None
    return snapshot


def test_gauges_are_the_differences_of_what_was_logged(folder: Path, rows: list[dict[str, Any]]) -> None:
    gauges = once(write_monitor(folder, monitor(comparison={}, minSamples=50)))
    of = {"model": "m", "baseline": "v1", "candidate": "v2", "window": "1h"}
    found: dict[str, Any] = {
        labels["statistic"]: (
            number,
            value(gauges, LOW, **labels),
            value(gauges, HIGH, **labels),
        )
        for labels, number in gauges[DIFFERENCE]
        if of.items() <= labels.items()
    }
    assert set(found) == {*STATISTICS} - {"mae", "mean_error", "prediction_psi"}

    old, new = rows[:OLD], rows[OLD:]
    errors = [sum(row["status"] >= 400 for row in part) for part in (old, new)]
    assert found["error_ratio"][0] == pytest.approx(errors[1] / NEW - errors[0] / OLD)
    assert found["error_ratio"][1] > 0
    answered = [[row for row in part if row["status"] < 400] for part in (old, new)]
    scores = [np.array([row["score"] for row in part]) for part in answered]
    labels = [np.array([row["label"] for row in part]) for part in answered]
    welch = stats.ttest_ind(scores[1], scores[0], equal_var=False).confidence_interval()
    assert found["score_mean"][1:] == pytest.approx((welch.low, welch.high))
    areas = [metrics.roc_auc_score(*pair) for pair in zip(labels, scores, strict=True)]
    assert found["auc_roc"][0] == pytest.approx(areas[1] - areas[0], abs=2e-3)
    assert found["auc_roc"][1] > 0
    for name, judge in (("accuracy", metrics.accuracy_score), ("recall", metrics.recall_score)):
        values = [judge(*pair) for pair in zip(labels, [part > 0.5 for part in scores], strict=True)]
        assert found[name][0] == pytest.approx(values[1] - values[0])
        assert found[name][1] < found[name][0] < found[name][2]
    low, high = found["latency_p95"][1:]
    assert low < 0 < high
    # Bins of few rows make it larger than it is, by more than an interval could say.
    assert found["calibration_error"][1:] == (None, None)
    assert value(gauges, "ml_gauge_withheld", gauge=DIFFERENCE, version="v2", reason="reference_missing") == 1


def test_without_the_key_there_are_none(folder: Path) -> None:
    gauges = once(write_monitor(folder))
    assert not [name for name in gauges if name.startswith("ml_comparison_")]
    assert not [labels for labels, _ in gauges["ml_gauge_withheld"] if "comparison" in labels["gauge"]]


def test_too_few_rows_of_the_candidate_are_withheld(folder: Path) -> None:
    gauges = once(write_monitor(folder, monitor(comparison={}, minSamples=NEW + 1)))
    assert DIFFERENCE not in gauges
    held = {"gauge": DIFFERENCE, "version": "v2", "window": "1h", "reason": "too_few_samples"}
    assert value(gauges, "ml_gauge_withheld", **held) == len(STATISTICS) - 2


@pytest.mark.parametrize(
    ("comparison", "versions", "expected"),
    [
        ({}, ["a", "b", "c"], ("b", "c")),
        ({"baseline": "a"}, ["a", "b", "c"], ("a", "c")),
        ({"candidate": "b"}, ["a", "b", "c"], ("c", "b")),
        ({"baseline": "c"}, ["a", "b", "c"], None),
        ({"baseline": "x"}, ["a", "b"], None),
        ({"candidate": "x"}, ["a", "b"], None),
        ({}, ["a"], None),
        ({}, [], None),
    ],
)
def test_the_versions_of_a_comparison(
    comparison: dict[str, str], versions: list[str], expected: tuple[str, str] | None
) -> None:
    assert Comparison.model_validate(comparison).of(versions) == expected


def test_newest_is_what_predicted_first_most_recently(tmp_path: Path) -> None:
    """Not by name: a Git commit says nothing of order."""
    rows = [record(n, at=n, version="fe9" if n < 100 else ["a0c", "fe9"][n % 2]) for n in range(300)]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    gauges = once(write_monitor(tmp_path, monitor(comparison={}, labels=None)))
    assert {(labels["baseline"], labels["candidate"]) for labels, _ in gauges[DIFFERENCE]} == {("fe9", "a0c")}


_TASKS: dict[str, dict[str, Any]] = {
    "binary": {},
    "multiclass": {"classes": ["0", "1", "2"]},
    "regression": {},
}


def test_a_model_of_unknown_classes_withholds_no_comparison_that_nobody_asked_for(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [record(n, at=n) for n in range(20)])
    gauges = once(write_monitor(tmp_path, monitor(task="multiclass", labels=None)))
    held = {
        labels["gauge"] for labels, _ in gauges["ml_gauge_withheld"] if labels["reason"] == "classes_unknown"
    }
    assert "ml_prediction_class_ratio" in held
    assert not [name for name in held if "comparison" in name]


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("task", list(_TASKS))
def test_the_series_that_are_estimated_are_those_compared(task: str, labelled: bool, tmp_path: Path) -> None:
    rows = [record(n, at=n, version=f"v{n % 2}", prediction=str(n % 3)) for n in range(100)]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    write_lines(
        tmp_path / "logs/labels.jsonl", [{"id": f"r{n}", "label": n % 2, "ts": EPOCH} for n in range(100)]
    )
    spec = monitor(task=task, **({} if labelled else {"labels": None}))
    spec["spec"]["predictions"] |= _TASKS[task]
    if task == "multiclass":
        del spec["spec"]["predictions"]["fields"]["score"]
    old, new = measured(write_monitor(tmp_path, spec)).windows
    assert [item.statistic.name for item in compare(old, new)] == names(old.spec, old.task)


def test_errors_of_regression_have_welchs_interval(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    labels = rng.normal(10, 3, 400)
    errors = np.concatenate([rng.normal(0, 2, 200), rng.normal(1, 1, 200)])
    rows = [
        record(n, at=n, version="v1" if n < 200 else "v2", score=float(labels[n] + errors[n]))
        for n in range(400)
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    write_lines(
        tmp_path / "logs/labels.jsonl", [{"id": f"r{n}", "label": labels[n], "ts": EPOCH} for n in range(400)]
    )
    old, new = measured(write_monitor(tmp_path, monitor(task="regression"))).windows
    found = {item.statistic.name: item for item in compare(old, new)}
    for name, values in (("mae", np.abs(errors)), ("mean_error", errors)):
        expected = stats.ttest_ind(values[200:], values[:200], equal_var=False).confidence_interval()
        assert (found[name].low, found[name].high) == pytest.approx((expected.low, expected.high))
    assert found["mae"].verdict is Verdict.BETTER
    assert found["mean_error"].verdict is Verdict.DIFFERENT


def test_too_few_labels_withhold_what_rests_on_them(folder: Path) -> None:
    spec = monitor()
    spec["spec"]["labels"]["minCoverage"] = 1.0
    lines = (folder / "logs/labels.jsonl").read_text().splitlines(keepends=True)
    (folder / "logs/labels.jsonl").write_text("".join(lines[:-20]))
    found = {item.statistic.name: item for item in compare(*measured(write_monitor(folder, spec)).windows)}
    assert found["label_coverage"].withheld is None
    for name in ("accuracy", "precision", "recall", "auc_roc", "calibration_error"):
        assert found[name].withheld is Reason.LABELS_INCOMPLETE


def test_classes_that_cannot_be_read_withhold_what_rests_on_them(tmp_path: Path) -> None:
    """Where classes are 1 and 2, those that can be read are all of class 1."""
    rows = [record(n, at=n, version=f"v{n % 2}", prediction=1 + n % 3 % 2) for n in range(200)]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    labels = ({"id": f"r{n}", "label": n % 2, "ts": EPOCH + 300} for n in range(200))
    write_lines(tmp_path / "logs/labels.jsonl", labels)
    found = {item.statistic.name: item for item in compare(*measured(write_monitor(tmp_path)).windows)}
    for name in ("accuracy", "precision", "recall"):
        assert found[name].withheld is Reason.CLASSES_UNKNOWN
    assert found["label_coverage"].withheld is None


def test_a_sample_of_labels_counts_as_the_rows_that_it_has(tmp_path: Path) -> None:
    """Each row stands for several predictions, and says no more for that."""
    rows = [record(n, at=n / 2, version=f"v{n % 2}", prediction=int(n % 5 == 0)) for n in range(3000)]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    labels = ({"id": f"r{n}", "label": int(n % 3 == 0), "ts": EPOCH + 1800} for n in range(3000))
    write_lines(tmp_path / "logs/labels.jsonl", labels)
    spec = monitor(minSamples=10)
    spec["spec"]["labels"]["maxPending"] = 1000
    windows = measured(write_monitor(tmp_path, spec)).windows
    item = next(item for item in compare(*windows) if item.statistic.name == "accuracy")
    assert item.baseline is not None
    assert item.candidate is not None
    weights = [window.outcome["outcomes"].confusion.sum() for window in windows]
    assert all(rows < weight / 1.5 for rows, weight in zip(item.rows, weights, strict=True))
    expected = share_difference_interval(
        item.baseline * item.rows[0], item.rows[0], item.candidate * item.rows[1], item.rows[1]
    )
    assert (item.low, item.high) == pytest.approx(expected)


def test_the_same_version_does_not_differ_from_itself(folder: Path) -> None:
    window = measured(write_monitor(folder)).windows[0]
    for item in compare(window, window):
        assert item.verdict in (Verdict.NO_DIFFERENCE, Verdict.UNCERTAIN, Verdict.WITHHELD), item
        assert item.difference in (0, None)
