"""Standard errors against simulated samples, a bootstrap and scikit-learn's figures of raw rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from exporter.statistics import confusion, multiclass, probability, ranking_quality, standard_errors
from exporter.statistics.multiclass import AVERAGES
from exporter.summary.multiclass import MulticlassOutcomeSummary
from exporter.summary.multilabel import MultilabelOutcomeSummary
from exporter.summary.outcomes import OutcomeSummary
from exporter.summary.regression import RegressionOutcomeSummary
from tests.support.summaries import empty_of

Figure = Callable[[Any], float | None]

BINARY: dict[str, tuple[Figure, Figure]] = {
    "accuracy": (confusion.accuracy, standard_errors.accuracy_error),
    "precision": (confusion.precision, standard_errors.precision_error),
    "recall": (confusion.recall, standard_errors.recall_error),
    "f1": (confusion.f1, standard_errors.f1_error),
    "auc_roc": (ranking_quality.auc_roc, ranking_quality.auc_standard_error),
    "calibration_error": (
        probability.expected_calibration_error,
        standard_errors.calibration_error_error,
    ),
}


def group(rows: int) -> np.ndarray:
    return np.zeros(rows, dtype=np.intp)


def binary(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> OutcomeSummary:
    predicted = (scores >= 0.3).astype(np.intp)
    return OutcomeSummary.fold(scores, predicted, labels, group(len(scores)), 1, weights)[0]


def of_classes(
    probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> MulticlassOutcomeSummary:
    rows, width = probabilities.shape
    names = tuple(map(str, range(width)))
    predicted = probabilities.argmax(axis=1)
    return MulticlassOutcomeSummary.fold(names, probabilities, predicted, labels, group(rows), 1, weights)[0]


def binary_rows(
    rng: np.random.Generator, rows: int, positives: float, separation: float
) -> tuple[np.ndarray, np.ndarray]:
    labels = (rng.random(rows) < positives).astype(np.intp)
    seen = rng.normal(separation * labels, 1)
    odds = separation * seen - separation**2 / 2 + math.log(positives / (1 - positives))
    return 1 / (1 + np.exp(-odds)), labels


def class_rows(
    rng: np.random.Generator, rows: int, shares: np.ndarray, separation: float
) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.choice(len(shares), rows, p=shares)
    seen = rng.normal(size=(rows, len(shares)))
    seen[np.arange(rows), labels] += separation
    weights = np.exp(separation * seen) * shares
    return weights / weights.sum(axis=1, keepdims=True), labels


def simulated(truth: float, pairs: list[tuple[float | None, float | None]]) -> tuple[float, float]:
    """Share of samples within two errors of the truth; the mean error over the root mean squared distance."""
    known = np.array([pair for pair in pairs if pair[0] is not None], dtype=np.float64)
    # Where there is a figure, there is an error.
    assert np.isfinite(known).all()
    distance = np.abs(known[:, 0] - truth)
    covered = float((distance <= 2 * known[:, 1] + 1e-12).mean())
    return covered, float(known[:, 1].mean() / np.sqrt((distance**2).mean()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "positives", "separation"),
    [(20, 0.5, 1.0), (50, 0.1, 2.0), (200, 0.05, 1.5), (500, 0.3, 1.0), (3000, 0.05, 1.0)],
)
def test_two_errors_hold_the_truth_of_a_binary_model(rows: int, positives: float, separation: float) -> None:
    rng = np.random.default_rng(20261130)
    population = binary(*binary_rows(rng, 300_000, positives, separation))
    samples = [binary(*binary_rows(rng, rows, positives, separation)) for _ in range(800)]
    for name, (figure, error) in BINARY.items():
        truth = figure(population)
        assert truth is not None
        covered, ratio = simulated(truth, [(figure(one), error(one)) for one in samples])
        assert covered >= 0.89, (name, covered)
        # The floors of few rows are above the error of a good model.
        most = 2.0 if name == "auc_roc" else 1.5 if rows <= 50 else 1.25
        assert 0.8 <= ratio <= most, (name, ratio)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "shares", "separation"),
    [(60, [1, 1, 1], 2.0), (300, [30, 15, 4, 1], 1.5), (500, [1] * 10, 2.0), (400, [1, 1], 1.0)],
)
def test_two_errors_hold_the_truth_of_several_classes(
    rows: int, shares: list[float], separation: float
) -> None:
    rng = np.random.default_rng(20261130)
    prior = np.array(shares) / sum(shares)
    population = of_classes(*class_rows(rng, 200_000, prior, separation))
    samples = [of_classes(*class_rows(rng, rows, prior, separation)) for _ in range(500)]
    figures: dict[str, tuple[Figure, Figure]] = {
        "accuracy": (multiclass.accuracy, standard_errors.accuracy_error)
    }
    pairs = {
        "precision": (multiclass.precision, standard_errors.averaged_precision_error),
        "recall": (multiclass.recall, standard_errors.averaged_recall_error),
        "f1": (multiclass.f1, standard_errors.averaged_f1_error),
        "auc_roc": (multiclass.auc_roc, standard_errors.averaged_auc_error),
    }
    for average in AVERAGES:
        for name, (mean, of_mean) in pairs.items():
            figures[f"{name} {average}"] = partial(mean, average=average), partial(of_mean, average=average)
    for name, (figure, error) in figures.items():
        truth = figure(population)
        assert truth is not None
        covered, ratio = simulated(truth, [(figure(one), error(one)) for one in samples])
        assert covered >= 0.9, (name, covered)
        assert 0.9 <= ratio <= (2.3 if name.startswith("auc") else 1.2), (name, ratio)


@pytest.mark.slow
def test_errors_are_those_of_a_bootstrap_of_the_rows() -> None:
    rng = np.random.default_rng(20261130)
    scores, labels = binary_rows(rng, 2000, 0.3, 1.2)
    summary, found = binary(scores, labels), {}
    draws = [rng.integers(0, 2000, 2000) for _ in range(400)]
    oracles = {
        "accuracy": metrics.accuracy_score,
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
        "f1": metrics.f1_score,
    }
    for name, oracle in oracles.items():
        found[name] = np.std([oracle(labels[draw], scores[draw] >= 0.3) for draw in draws])
    found["auc_roc"] = np.std([metrics.roc_auc_score(labels[draw], scores[draw]) for draw in draws])
    for name, deviation in found.items():
        assert BINARY[name][1](summary) == pytest.approx(deviation, rel=0.12), name
    probabilities, classes = class_rows(rng, 2000, np.array([0.5, 0.3, 0.2]), 1.5)
    several = of_classes(probabilities, classes)
    for average in AVERAGES:
        for oracle, error in (
            (metrics.precision_score, standard_errors.averaged_precision_error),
            (metrics.recall_score, standard_errors.averaged_recall_error),
            (metrics.f1_score, standard_errors.averaged_f1_error),
        ):
            drawn = [
                oracle(classes[draw], probabilities[draw].argmax(axis=1), average=average) for draw in draws
            ]
            assert error(several, average) == pytest.approx(np.std(drawn), rel=0.12)


def test_few_rows_without_a_mistake_are_not_certain() -> None:
    scores = np.array([0.9] * 5 + [0.1] * 5)
    perfect = binary(scores, np.repeat([1, 0], 5))
    # Agresti and Coull: 7 of 9, over 5 rows.
    assert standard_errors.recall_error(perfect) == pytest.approx(math.sqrt(7 / 9 * 2 / 9 / 5))
    for name, (figure, error) in BINARY.items():
        assert figure(perfect) is not None
        found = error(perfect)
        assert found is not None
        assert 0.05 < found < 0.25, name
    probabilities = np.eye(3)[np.arange(15) % 3]
    several = of_classes(probabilities, np.arange(15) % 3)
    for average in AVERAGES:
        for averaged in (
            standard_errors.averaged_precision_error,
            standard_errors.averaged_recall_error,
            standard_errors.averaged_f1_error,
            standard_errors.averaged_auc_error,
        ):
            found = averaged(several, average)
            assert found is not None
            assert 0.05 < found < 0.15


@pytest.mark.parametrize("rows", [5, 10, 20, 50, 1000])
def test_two_errors_of_a_share_hold_it(rows: int) -> None:
    """Exactly, from the binomial distribution: no share of 0.05 to 0.95 is missed by more than 12 of 100 samples."""
    seen = np.arange(rows + 1)
    errors = np.array([standard_errors.share_error(float(one), float(rows)) for one in seen])
    covered = [
        stats.binom.pmf(seen, rows, share)[np.abs(seen / rows - share) <= 2 * errors + 1e-12].sum()
        for share in np.linspace(0.05, 0.95, 91)
    ]
    assert min(covered) >= 0.885
    assert 0.945 <= np.mean(covered) <= 0.97


def test_f1s_error_is_the_published_one_where_rows_are_many() -> None:
    labels = np.repeat([1, 1, 0, 0], [6000, 2000, 1000, 90_000])
    scores = np.repeat([0.9, 0.1, 0.9, 0.1], [6000, 2000, 1000, 90_000])
    f1 = 2 * 6000 / (2 * 6000 + 3000)
    expected = math.sqrt(f1 * (1 - f1) * (2 - f1) ** 2 / (2 * 9000))
    assert standard_errors.f1_error(binary(scores, labels)) == pytest.approx(expected, rel=1e-3)


def test_rows_that_stand_for_ten_are_no_more_rows() -> None:
    rng = np.random.default_rng(20261130)
    scores, labels = binary_rows(rng, 300, 0.3, 1.0)
    tenfold = np.full(300, 10.0)
    for figure, error in BINARY.values():
        plain, heavy = binary(scores, labels), binary(scores, labels, tenfold)
        assert figure(heavy) == pytest.approx(figure(plain))
        assert error(heavy) == pytest.approx(error(plain))
    probabilities, classes = class_rows(rng, 300, np.array([0.5, 0.3, 0.2]), 1.5)
    plain_classes, heavy_classes = (
        of_classes(probabilities, classes),
        of_classes(probabilities, classes, tenfold),
    )
    for average in AVERAGES:
        for averaged in (standard_errors.averaged_f1_error, standard_errors.averaged_auc_error):
            assert averaged(heavy_classes, average) == pytest.approx(averaged(plain_classes, average))


def test_labels_of_unknown_classes_are_wrong_rows() -> None:
    """The weighted recall is the accuracy, and so is its error but for the floor."""
    rng = np.random.default_rng(20261130)
    probabilities, classes = class_rows(rng, 4000, np.array([0.5, 0.3, 0.2]), 1.5)
    classes[:400] = -1
    summary = of_classes(probabilities, classes)
    assert multiclass.recall(summary, "weighted") == pytest.approx(multiclass.accuracy(summary))
    expected = standard_errors.accuracy_error(summary)
    assert standard_errors.averaged_recall_error(summary, "weighted") == pytest.approx(expected, rel=0.01)


def test_what_has_no_figure_has_no_error() -> None:
    nothing = empty_of(OutcomeSummary)
    assert [error(nothing) for _, error in BINARY.values()] == [None] * len(BINARY)
    one_class = binary(np.array([0.1, 0.1]), np.array([0, 0]))
    assert standard_errors.recall_error(one_class) is None
    assert standard_errors.precision_error(one_class) is None
    assert standard_errors.f1_error(one_class) is None
    assert ranking_quality.auc_standard_error(one_class) is None
    empty = empty_of(MulticlassOutcomeSummary, ("a", "b"))
    for averaged in (
        standard_errors.averaged_precision_error,
        standard_errors.averaged_recall_error,
        standard_errors.averaged_f1_error,
        standard_errors.averaged_auc_error,
    ):
        assert [averaged(empty, average) for average in AVERAGES] == [None, None]
    # A class that is never predicted: its precision is undefined, and has no part in the error.
    never = of_classes(np.array([[0.9, 0.1]] * 8), np.array([0, 0, 0, 0, 0, 0, 1, 1]))
    assert multiclass.precision(never, "macro") == 0.75
    assert standard_errors.averaged_precision_error(never, "macro") == pytest.approx(0.165, abs=0.03)
    many = of_classes(np.full((5, 101), 1 / 101), np.zeros(5, dtype=np.intp))
    assert standard_errors.averaged_f1_error(many, "macro") is None


def test_the_error_of_a_mean_absolute_error() -> None:
    rng = np.random.default_rng(20261130)
    predicted, labels = rng.normal(size=200), rng.normal(size=200)
    summary = RegressionOutcomeSummary.fold(0.0, predicted, labels, group(200), 1)[0]
    expected = stats.sem(np.abs(predicted - labels))
    assert standard_errors.mean_absolute_error_error(summary) == pytest.approx(expected)
    one = RegressionOutcomeSummary.fold(0.0, predicted[:1], labels[:1], group(1), 1)[0]
    assert standard_errors.mean_absolute_error_error(one) is None


def test_the_accuracy_of_sets_of_classes_is_a_share() -> None:
    sets = np.array([[True, False, False], [False, True, False], [True, True, False], [True, False, False]])
    answers = sets.copy()
    answers[3, 1] = True
    known = (np.ones(4, dtype=bool), np.ones(4, dtype=bool))
    summary = MultilabelOutcomeSummary.fold(
        ("a", "b"), answers, sets, np.full((4, 2), np.nan), known, group(4), 1
    )[0]
    assert standard_errors.accuracy_error(summary) == standard_errors.share_error(3.0, 4.0)
