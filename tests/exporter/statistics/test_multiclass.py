"""Outcomes of several classes against scikit-learn, within the bounds that the docstrings publish."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from exporter.statistics import multiclass, probability
from exporter.summary.multiclass import MOST_DETAILED, MulticlassOutcomeSummary
from exporter.summary.outcomes import OutcomeSummary
from tests.support.bounds import mean_auc_roc_bound, mean_average_precision_bound
from tests.support.summaries import empty_of

Sample = tuple[np.ndarray, np.ndarray, np.ndarray]


def names(width: int) -> tuple[str, ...]:
    return tuple(f"class {code}" for code in range(width))


def fold(
    probabilities: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None = None,
    predicted: np.ndarray | None = None,
) -> MulticlassOutcomeSummary:
    return MulticlassOutcomeSummary.fold(
        names(probabilities.shape[1]),
        probabilities,
        probabilities.argmax(axis=1) if predicted is None else predicted,
        labels,
        np.zeros(len(labels), dtype=np.intp),
        1,
        weights=weights,
    )[0]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def simulated(rows: int, base: list[float], sharpness: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(base), rows, p=base)
    noise = rng.normal(size=(rows, len(base)))
    return softmax(np.log(base) + sharpness * (np.eye(len(base))[labels] + noise)), labels


def trained() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    digits, wine, iris = load_digits(), load_wine(), load_iris()
    shallow = DecisionTreeClassifier(max_depth=4, random_state=0).fit(digits.data, digits.target)
    full = DecisionTreeClassifier(random_state=0).fit(digits.data[::2], digits.target[::2])
    return {
        "digits, overconfident": (
            GaussianNB().fit(digits.data, digits.target).predict_proba(digits.data),
            digits.target,
        ),
        "digits, few leaves": (shallow.predict_proba(digits.data), digits.target),
        "digits, two values": (full.predict_proba(digits.data), digits.target),
        "wine": (
            GaussianNB().fit(wine.data[:, :2], wine.target).predict_proba(wine.data[:, :2]),
            wine.target,
        ),
        "iris": (
            GaussianNB().fit(iris.data[:, 1:2], iris.target).predict_proba(iris.data[:, 1:2]),
            iris.target,
        ),
    }


SAMPLES: dict[str, tuple[np.ndarray, np.ndarray]] = {
    **trained(),
    "one in a thousand": simulated(50_000, [0.9, 0.099, 0.001], 2.0, 1),
    "a class that is no label": (np.random.default_rng(2).dirichlet(np.ones(4), 300), np.arange(300) % 3),
    "one probability": (np.full((60, 3), 1 / 3), np.arange(60) % 3),
    "one label": (np.random.default_rng(3).dirichlet(np.ones(3), 50), np.ones(50, dtype=np.intp)),
    "one row": (np.array([[0.2, 0.5, 0.3]]), np.array([1])),
    "two classes": simulated(2000, [0.7, 0.3], 1.0, 4),
    "certain and wrong": (np.eye(3)[np.arange(30) % 3], (np.arange(30) + 1) % 3),
}
FINE = ("digits, overconfident", "wine", "one in a thousand")


def sampling(rows: int) -> np.ndarray:
    return np.where(np.arange(rows) % 3, 1.0, 1 / 0.3)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_classes_agree_with_scikit_learn(name: str, weighted: bool) -> None:
    probabilities, labels = SAMPLES[name]
    codes = np.arange(probabilities.shape[1])
    weights = sampling(len(labels)) if weighted else np.ones(len(labels))
    summary = fold(probabilities, labels, weights if weighted else None)
    predicted = probabilities.argmax(axis=1)
    assert multiclass.accuracy(summary) == pytest.approx(
        metrics.accuracy_score(labels, predicted, sample_weight=weights)
    )
    np.testing.assert_allclose(
        summary.confusion,
        metrics.confusion_matrix(labels, predicted, labels=codes, sample_weight=weights),
        rtol=1e-12,
    )
    for mine, score in (
        (multiclass.precision, metrics.precision_score),
        (multiclass.recall, metrics.recall_score),
        (multiclass.f1, metrics.f1_score),
    ):
        for average in multiclass.AVERAGES:
            exact = score(
                labels,
                predicted,
                labels=codes,
                average=average,
                sample_weight=weights,
                zero_division=np.nan,
            )
            value = mine(summary, average)
            assert value is None if np.isnan(exact) else value == pytest.approx(exact)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_ranking_of_classes_is_within_its_bound(name: str, weighted: bool) -> None:
    probabilities, labels = SAMPLES[name]
    weights = sampling(len(labels)) if weighted else np.ones(len(labels))
    summary = fold(probabilities, labels, weights if weighted else None)
    width = probabilities.shape[1]
    truths = [labels == code for code in range(width)]
    roc = [
        metrics.roc_auc_score(truth, probabilities[:, code], sample_weight=weights)
        for code, truth in enumerate(truths)
        if truth.any() and not truth.all()
    ]
    areas = [
        metrics.average_precision_score(truth, probabilities[:, code], sample_weight=weights)
        for code, truth in enumerate(truths)
        if truth.any()
    ]
    shares = [weights[truth].sum() for truth in truths if truth.any()]
    if not roc:
        assert multiclass.auc_roc(summary, "macro") is None
        assert multiclass.auc_roc(summary, "weighted") is None
    for average in multiclass.AVERAGES:
        by = None if average == "macro" else shares
        if roc:
            value, bound = multiclass.auc_roc(summary, average), mean_auc_roc_bound(summary, average)
            assert value is not None
            assert abs(value - np.average(roc, weights=by)) <= bound + 1e-12
            assert name not in FINE or abs(value - np.average(roc, weights=by)) <= 0.002
        value = multiclass.average_precision(summary, average)
        bound = mean_average_precision_bound(summary, average)
        assert value is not None
        assert abs(value - np.average(areas, weights=by)) <= bound + 1e-12
        assert name not in FINE or abs(value - np.average(areas, weights=by)) <= 0.01
        assert name != "digits, two values" or bound == 0


def plain_calibration(
    probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> tuple[float, float]:
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.clip(np.digitize(confidence, np.linspace(0, 1, 16), right=True) - 1, 0, 14)
    gaps, shares = [], []
    for number in np.unique(bins):
        mine = bins == number
        gap = np.average(confidence[mine], weights=weights[mine]) - np.average(
            right[mine], weights=weights[mine]
        )
        gaps.append(abs(gap))
        shares.append(weights[mine].sum() / weights.sum())
    return float(np.dot(gaps, shares)), max(gaps)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_probabilities_of_classes(name: str, weighted: bool) -> None:
    probabilities, labels = SAMPLES[name]
    width = probabilities.shape[1]
    weights = sampling(len(labels)) if weighted else np.ones(len(labels))
    summary = fold(probabilities, labels, weights if weighted else None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The y_prob values do not sum to one")
        exact = metrics.log_loss(labels, probabilities, labels=np.arange(width), sample_weight=weights)
    assert probability.log_loss(summary) == pytest.approx(exact, abs=1e-12)
    squares = ((probabilities - np.eye(width)[labels]) ** 2).sum(axis=1)
    brier = np.average(squares, weights=weights) / (2 if width == 2 else 1)
    assert probability.brier_score(summary) == pytest.approx(brier, abs=1e-12)
    expected, largest = plain_calibration(probabilities, labels, weights)
    assert probability.expected_calibration_error(summary) == pytest.approx(expected, abs=1e-12)
    assert probability.maximum_calibration_error(summary) == pytest.approx(largest, abs=1e-12)


def test_two_classes_have_the_brier_score_of_a_binary_task() -> None:
    probabilities, labels = SAMPLES["two classes"]
    predicted = probabilities.argmax(axis=1)
    binary = OutcomeSummary.fold(probabilities[:, 1], predicted, labels, np.zeros(2000, dtype=np.intp), 1)[0]
    summary = fold(probabilities, labels)
    assert probability.brier_score(summary) == pytest.approx(probability.brier_score(binary))
    assert probability.log_loss(summary) == pytest.approx(probability.log_loss(binary))


def test_a_class_given_up_lowers_f1_and_has_no_precision() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    summary = fold(np.full((6, 3), np.nan), labels, predicted=np.array([0, 0, 1, 1, 1, 1]))
    assert multiclass.precision(summary, "macro") == pytest.approx((1 + 0.5) / 2)
    assert multiclass.recall(summary, "macro") == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert multiclass.f1(summary, "macro") == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)


def test_what_is_unknown_is_counted_apart() -> None:
    labels = np.array([-1, 0, 1, 1, -1])
    predicted = np.array([0, -1, 1, 0, -1])
    probabilities = np.array([[0.9, 0.1], [np.nan, np.nan], [0.2, 0.8], [0.6, np.nan], [0.5, 0.5]])
    summary = fold(probabilities, labels, np.array([2.0, 3.0, 5.0, 7.0, 11.0]), predicted)
    assert [summary.labelled, summary.classified, summary.scored] == [5, 3, 1]
    assert summary.unknown_labels == 13
    assert summary.labels.tolist() == [3, 12]
    assert summary.labelled_weight == 28
    assert summary.unknown_labels / summary.labelled_weight == pytest.approx(13 / 28)
    assert multiclass.accuracy(summary) == pytest.approx(5 / 14)
    assert summary.confusion.tolist() == [[0, 0], [7, 5]]
    assert probability.log_loss(summary) == pytest.approx(-np.log(0.8))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("unknown", [0.0, 0.2, 0.9])
def test_labels_of_unknown_classes_agree_with_scikit_learn(unknown: float, weighted: bool) -> None:
    """Of which scikit-learn makes a class that was never predicted."""
    rng = np.random.default_rng(6)
    labels = np.where(rng.random(500) < unknown, -1, rng.integers(0, 4, 500))
    predicted = np.where((rng.random(500) < 0.7) & (labels >= 0), labels, rng.integers(0, 3, 500))
    weights = sampling(500) if weighted else np.ones(500)
    summary = fold(np.full((500, 5), np.nan), labels, weights if weighted else None, predicted)
    assert multiclass.accuracy(summary) == pytest.approx(
        metrics.accuracy_score(labels, predicted, sample_weight=weights)
    )
    for mine, score in (
        (multiclass.precision, metrics.precision_score),
        (multiclass.recall, metrics.recall_score),
        (multiclass.f1, metrics.f1_score),
    ):
        for average in multiclass.AVERAGES:
            exact = score(labels, predicted, average=average, sample_weight=weights, zero_division=np.nan)
            found = mine(summary, average)
            assert (np.nan if found is None else found) == pytest.approx(exact, nan_ok=True)


def test_labels_of_unknown_classes_alone_are_all_missed() -> None:
    """No class of the weighted precision is both defined and a label; scikit-learn then averages without weights."""
    summary = fold(np.full((4, 2), np.nan), np.full(4, -1), predicted=np.array([0, 1, 1, 0]))
    assert multiclass.accuracy(summary) == 0
    assert multiclass.precision(summary, "macro") == 0
    assert multiclass.precision(summary, "weighted") is None
    for average in multiclass.AVERAGES:
        assert multiclass.recall(summary, average) == multiclass.f1(summary, average) == 0


@pytest.mark.parametrize("width", [0, 1, 3])
def test_nothing_known_is_nothing_said(width: int) -> None:
    unlabelled = np.full(4, -1)
    for summary in (
        empty_of(MulticlassOutcomeSummary, names(width)),
        fold(np.full((4, width), np.nan), unlabelled, predicted=unlabelled),
    ):
        assert multiclass.accuracy(summary) is None
        for average in multiclass.AVERAGES:
            for statistic in (
                multiclass.precision,
                multiclass.recall,
                multiclass.f1,
                multiclass.auc_roc,
                multiclass.average_precision,
            ):
                assert statistic(summary, average) is None
            assert mean_auc_roc_bound(summary, average) == 0
            assert mean_average_precision_bound(summary, average) == 0
        assert probability.log_loss(summary) is None
        assert probability.brier_score(summary) is None
        assert probability.expected_calibration_error(summary) is None
        assert probability.maximum_calibration_error(summary) is None


def test_ten_thousand_classes_keep_all_but_confusion_and_ranking() -> None:
    rng = np.random.default_rng(5)
    width, rows = 10_000, 400
    labels = rng.integers(0, width, rows)
    predicted = np.where(rng.random(rows) < 0.6, labels, rng.integers(0, width, rows))
    logits = rng.normal(size=(rows, width))
    logits[np.arange(rows), predicted] += 9
    probabilities = softmax(logits)
    summary = fold(probabilities, labels, predicted=predicted)
    assert summary.vector().size < 5 * width
    assert multiclass.accuracy(summary) == pytest.approx(metrics.accuracy_score(labels, predicted))
    for average in multiclass.AVERAGES:
        assert multiclass.f1(summary, average) == pytest.approx(
            metrics.f1_score(labels, predicted, average=average, zero_division=np.nan)
        )
        assert multiclass.auc_roc(summary, average) is None
        assert multiclass.average_precision(summary, average) is None
    exact = -np.log(probabilities[np.arange(rows), labels])
    assert probability.log_loss(summary) == pytest.approx(exact.mean())


@pytest.mark.parametrize("width", [MOST_DETAILED, MOST_DETAILED + 1])
def test_detail_ends_where_it_says(width: int) -> None:
    labels = np.arange(200) % width
    summary = fold(np.full((200, width), 1 / width), labels)
    assert bool(summary.confusion.size) == (width == MOST_DETAILED)
    assert (multiclass.auc_roc(summary, "macro") is None) == (width > MOST_DETAILED)
