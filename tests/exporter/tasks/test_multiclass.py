"""A multiclass model through the public commands, against scikit-learn; and what its log can hold beside that."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_digits, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import label_binarize

from exporter.statistics import multiclass
from exporter.summary.multiclass import MulticlassOutcomeSummary
from tests.support.bounds import mean_auc_roc_bound, mean_average_precision_bound
from tests.support.commands import exporter
from tests.support.logs import EPOCH, Gauges, monitor, once, value, write_lines, write_monitor

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
        {"score": [0.2, 0.3, 0.5]},
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
