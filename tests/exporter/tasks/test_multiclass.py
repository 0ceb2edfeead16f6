"""A multiclass model through the public commands, against scikit-learn."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import label_binarize

from exporter.statistics import multiclass
from exporter.summary.multiclass import MulticlassOutcomeSummary
from tests.support.bounds import mean_auc_roc_bound, mean_average_precision_bound
from tests.support.commands import exporter
from tests.support.logs import EPOCH, Gauges, monitor, once, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

HOUR = 3600.0
TRAINED = 900
DELAYS = np.array([0.0, 30.0, 600.0, 3000.0, 20_000.0])


class Digits(NamedTuple):
    """``before`` and ``after`` the labels came; ``probabilities`` and ``labels`` of the last hour."""

    before: Gauges
    after: Gauges
    probabilities: Any
    labels: Any
    trained: Any
    delays: Any


def fields(**names: str) -> dict[str, str]:
    return {"timestamp": "ts", "id": "id", "version": "version", **names}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    """Two hours: the first is also what the reference is built of. Labels come once predictions are read."""
    folder = tmp_path_factory.mktemp("digits")
    data = load_digits()
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    probabilities = cross_val_predict(model, data.data, data.target, cv=2, method="predict_proba")
    # Twice as many fours in the last hour: classes and labels drift.
    order = np.concatenate(
        [np.arange(len(data.target)), np.flatnonzero(data.target[TRAINED:] == 4) + TRAINED]
    )
    probabilities, labels = probabilities[order], data.target[order]
    rows = np.arange(len(order))
    times = np.where(rows < TRAINED, rows, HOUR + rows - TRAINED)
    delays = DELAYS[rows % len(DELAYS)]
    scores = [dict(zip(map(str, range(10)), row.tolist(), strict=True)) for row in probabilities]
    write_lines(
        folder / "logs/predictions.jsonl",
        (
            {"ts": EPOCH + times[i], "id": f"r{i}", "version": "v1", "score": scores[i], "fell": i % 50 == 0}
            for i in range(len(order))
        ),
    )
    write_lines(
        folder / "train.jsonl",
        ({"score": scores[i], "label": int(labels[i])} for i in range(TRAINED)),
    )
    path = write_monitor(
        folder,
        monitor(
            task="multiclass",
            predictions={
                "sink": {"file": {"path": "logs/predictions.jsonl"}},
                "fields": fields(score="score", fallback="fell"),
            },
            references={
                "training": {"static": "reference.json"},
                "before": {"sliding": "1h", "offset": "1h"},
            },
        ),
    )
    exporter("baseline", path, "--data", folder / "train.jsonl", "--out", folder / "reference.json")
    (folder / "logs/labels.jsonl").touch()
    at = "2026-01-10T02:00:00Z"
    before = once(path, "--state-dir", folder / "state", at=at)
    write_lines(
        folder / "logs/labels.jsonl",
        (
            # One class, written as text, as a whole number, and as formats that know only floats do.
            {
                "id": f"r{i}",
                "label": (str, int, float)[i % 3](int(labels[i])),
                "ts": EPOCH + times[i] + delays[i],
            }
            for i in rows
        ),
    )
    after = once(path, "--state-dir", folder / "state", at="2026-01-10T02:00:00Z")
    now = rows >= TRAINED
    return Digits(before, after, probabilities[now], labels[now], labels[:TRAINED], delays[now])


def psi(now: Any, then: Any) -> float:
    p = np.maximum(np.bincount(now, minlength=10) / len(now), 1e-4)
    q = np.maximum(np.bincount(then, minlength=10) / len(then), 1e-4)
    return float(np.sum((p - q) * np.log(p / q)))


def test_outcomes_agree_with_scikit_learn(digits: Digits) -> None:
    gauges, probabilities, labels = digits.after, digits.probabilities, digits.labels
    predicted = probabilities.argmax(axis=1)
    assert value(gauges, "ml_model_accuracy") == pytest.approx(metrics.accuracy_score(labels, predicted))
    summary = MulticlassOutcomeSummary.fold(
        tuple(map(str, range(10))), probabilities, predicted, labels, np.zeros(len(labels), dtype=np.intp), 1
    )[0]
    binary = label_binarize(labels, classes=range(10))
    for average in multiclass.AVERAGES:
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(labels, predicted, average=average)
        for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
            assert value(gauges, f"ml_model_{name}", average=average) == pytest.approx(expected)
        assert value(gauges, "ml_model_auc_roc", average=average) == pytest.approx(
            metrics.roc_auc_score(binary, probabilities, average=average),
            abs=mean_auc_roc_bound(summary, average) + 1e-6,
        )
        assert value(gauges, "ml_model_auc_pr", average=average) == pytest.approx(
            metrics.average_precision_score(binary, probabilities, average=average),
            abs=mean_average_precision_bound(summary, average) + 1e-6,
        )
    assert value(gauges, "ml_model_log_loss") == pytest.approx(
        metrics.log_loss(labels, probabilities), rel=1e-6
    )
    squares = ((probabilities - binary) ** 2).sum(axis=1).mean()
    assert value(gauges, "ml_model_brier_score") == pytest.approx(squares, abs=1e-6)
    confusion = metrics.confusion_matrix(labels, predicted, normalize="all")
    for actual in range(10):
        for answer in range(10):
            found = value(gauges, "ml_model_confusion_ratio", actual=str(actual), predicted=str(answer))
            assert found == pytest.approx(confusion[actual, answer])


def test_calibration_is_that_of_the_predicted_class(digits: Digits) -> None:
    confidence, right = (
        digits.probabilities.max(axis=1),
        digits.probabilities.argmax(axis=1) == digits.labels,
    )
    bins = np.ceil(confidence * 15)
    gaps = {b: (bins == b, confidence[bins == b].mean(), right[bins == b].mean()) for b in np.unique(bins)}
    error = sum(rows.mean() * abs(mean - hit) for rows, mean, hit in gaps.values())
    assert value(digits.after, "ml_calibration_error") == pytest.approx(error, abs=1e-5)
    worst = max(abs(mean - hit) for _, mean, hit in gaps.values())
    assert value(digits.after, "ml_calibration_max_error") == pytest.approx(worst, abs=1e-5)
    assert len(digits.after["ml_calibration_bin_confidence"]) == len(gaps)


def test_predictions_agree_with_numpy(digits: Digits) -> None:
    probabilities = digits.probabilities
    predicted, top = probabilities.argmax(axis=1), probabilities.max(axis=1)
    for gauges in (digits.before, digits.after):
        for digit in range(10):
            ratio = value(gauges, "ml_prediction_class_ratio", **{"class": str(digit)})
            assert ratio == pytest.approx(np.mean(predicted == digit))
        assert value(gauges, "ml_prediction_confidence_mean") == pytest.approx(top.mean())
        assert value(gauges, "ml_prediction_mean") == pytest.approx(top.mean())
        assert value(gauges, "ml_prediction_stddev") == pytest.approx(top.std())
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(probabilities > 0, probabilities * np.log2(probabilities), 0.0)
        assert value(gauges, "ml_prediction_entropy_mean") == pytest.approx(-terms.sum(axis=1).mean())
        fell = np.mean(np.arange(TRAINED, TRAINED + len(predicted)) % 50 == 0)
        assert value(gauges, "ml_prediction_fallback_ratio") == pytest.approx(fell)


def test_drift_against_a_file_is_that_against_the_same_past(digits: Digits) -> None:
    static = [number for labels, number in digits.after["ml_label_psi"] if labels["reference"] == "training"]
    assert static == [pytest.approx(psi(digits.labels, digits.trained))]
    level = value(digits.after, "ml_label_drift_noise_level", reference="training", statistic="psi")
    assert level is not None
    assert static[0] > level > 0
    for name in ("ml_label_psi", "ml_prediction_psi", "ml_prediction_js_distance"):
        known = {labels["reference"]: number for labels, number in digits.after[name]}
        assert known["before"] == pytest.approx(known["training"])
        assert known["before"] > 0
    for digit in range(10):
        ratio = value(digits.after, "ml_label_class_ratio", **{"class": str(digit)})
        assert ratio == pytest.approx(np.mean(digits.labels == digit))


def test_labels_find_what_waited_through_a_restart(digits: Digits) -> None:
    assert value(digits.before, "ml_label_coverage_ratio") == 0
    assert value(digits.before, "ml_gauge_withheld", gauge="ml_label_psi", reason="too_few_samples") == 1
    assert value(digits.before, "ml_gauge_withheld", gauge="ml_label_psi", reason="reference_too_small") == 1
    assert "ml_model_accuracy" not in digits.before
    assert value(digits.after, "ml_label_coverage_ratio") == 1
    assert value(digits.after, "ml_predictions_pending") == 0
    assert value(digits.after, "ml_labels_unmatched_total") == 0


def test_delays(digits: Digits) -> None:
    for quantile in (0.5, 0.9, 0.99):
        exact = np.quantile(digits.delays, quantile, method="inverted_cdf")
        found = value(digits.after, "ml_label_delay_seconds", quantile=str(quantile))
        assert found == pytest.approx(exact, rel=0.01)
    right = digits.probabilities.argmax(axis=1) == digits.labels
    for label, low, high in (("1m", -1, 60), ("1h", 60, 3600), ("6h", 3600, 21_600)):
        mine = (digits.delays > low) & (digits.delays <= high)
        found = value(digits.after, "ml_model_accuracy_by_delay", delay=label)
        assert found == pytest.approx(right[mine].mean())


def test_no_gauge_is_nan(digits: Digits) -> None:
    assert all(np.isfinite(number) for series in digits.after.values() for _, number in series)
