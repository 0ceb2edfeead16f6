"""Weighted outcomes of binary classifiers: what a sample of the predictions says of all of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_breast_cancer
from sklearn.naive_bayes import GaussianNB

from exporter.statistics import confusion, probability, ranking_quality
from exporter.summary.outcomes import OutcomeSummary
from tests.support.bounds import auc_roc_bound, average_precision_bound


def one_group(rows: int) -> np.ndarray:
    return np.zeros(rows, dtype=np.intp)


def outcomes(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> OutcomeSummary:
    predicted = np.where(np.isnan(scores), -1, scores >= 0.5).astype(np.intp)
    return OutcomeSummary.fold(
        scores, predicted, labels.astype(np.intp), one_group(len(scores)), 1, weights=weights
    )[0]


def breast_cancer() -> tuple[np.ndarray, np.ndarray]:
    """One feature alone, so that the model is wrong often enough."""
    data = load_breast_cancer()
    feature = data.data[:, 1:2]
    return GaussianNB().fit(feature, data.target).predict_proba(feature)[:, 1], data.target


RNG = np.random.default_rng(11)
RARE = RNG.random(30_000) < 0.001
SAMPLES = {
    "breast cancer": breast_cancer(),
    "rare": (np.where(RARE, RNG.beta(1, 200, 30_000), RNG.beta(0.5, 2000, 30_000)), RARE),
    "heavy ties": (np.repeat([0.1, 0.1, 0.6, 0.9], 500), np.tile([0, 1, 0, 1, 1], 400)),
    "two values": (np.tile([0.0, 1.0], 100), np.arange(200) % 3 == 0),
    "constant": (np.full(50, 0.7), np.arange(50) % 2),
    "two rows": (np.array([0.2, 0.9]), np.array([0, 1])),
}
WEIGHTS: dict[str, Callable[[int], np.ndarray]] = {
    "one rate": lambda rows: np.full(rows, 1 / 0.15),
    "two rates": lambda rows: np.where(np.arange(rows) % 2, 1 / 0.15, 1.0),
    "one enormous": lambda rows: np.where(np.arange(rows) == rows // 2, 1e6, 1.0),
}


@pytest.mark.parametrize("rates", WEIGHTS)
@pytest.mark.parametrize("name", SAMPLES)
def test_weights_are_scikit_learns_sample_weights(name: str, rates: str) -> None:
    scores, labels = SAMPLES[name]
    weights = WEIGHTS[rates](len(scores))
    summary = outcomes(scores, labels, weights)
    predicted = scores >= 0.5
    assert summary.labelled == summary.scored == summary.classified == len(scores)
    assert summary.labelled_weight == pytest.approx(weights.sum())
    assert summary.scored_weight == pytest.approx(weights.sum())
    assert confusion.accuracy(summary) == pytest.approx(
        metrics.accuracy_score(labels, predicted, sample_weight=weights)
    )
    if predicted.any():
        assert confusion.precision(summary) == pytest.approx(
            metrics.precision_score(labels, predicted, sample_weight=weights)
        )
    assert confusion.recall(summary) == pytest.approx(
        metrics.recall_score(labels, predicted, sample_weight=weights)
    )
    assert confusion.positive_ratio(summary) == pytest.approx(np.average(labels, weights=weights))
    assert probability.log_loss(summary) == pytest.approx(
        metrics.log_loss(labels, scores, sample_weight=weights)
    )
    assert probability.brier_score(summary) == pytest.approx(
        metrics.brier_score_loss(labels, scores, sample_weight=weights)
    )
    auc, area = ranking_quality.auc_roc(summary), ranking_quality.average_precision(summary)
    assert auc is not None
    assert area is not None
    exact = metrics.roc_auc_score(labels, scores, sample_weight=weights)
    assert abs(auc - exact) <= auc_roc_bound(summary) + 1e-9
    exact = metrics.average_precision_score(labels, scores, sample_weight=weights)
    assert abs(area - exact) <= average_precision_bound(summary) + 1e-9


@pytest.mark.parametrize("name", SAMPLES)
def test_weight_one_is_no_weight(name: str) -> None:
    scores, labels = SAMPLES[name]
    assert outcomes(scores, labels, np.ones(len(scores))) == outcomes(scores, labels)


@pytest.mark.parametrize("name", SAMPLES)
def test_average_precision_is_within_its_bound(name: str) -> None:
    scores, labels = SAMPLES[name]
    summary = outcomes(scores, labels)
    area, bound = ranking_quality.average_precision(summary), average_precision_bound(summary)
    exact = metrics.average_precision_score(labels, scores)
    assert area is not None
    assert abs(area - exact) <= bound + 1e-12
    assert bound <= 0.01


@pytest.mark.parametrize("first", [0, 1])
def test_the_worst_order_within_a_cell_is_within_the_bound(first: int) -> None:
    """All scores in one cell, one class above the other: what the cell cannot tell."""
    scores = 0.3 + np.arange(24) * 1e-7
    labels = (np.arange(24) < 12) == bool(first)
    for rate in (1.0, 0.1):
        summary = outcomes(scores, labels, np.full(24, 1 / rate))
        area = ranking_quality.average_precision(summary)
        bound = average_precision_bound(summary)
        # Evenly mixed, the i-th of 12 positives has i - 1/2 of the 12 negatives above it.
        assert area == pytest.approx(np.mean([i / (i + i - 0.5) for i in range(1, 13)]))
        assert abs((area or 0) - metrics.average_precision_score(labels, scores)) <= bound <= 0.5


def test_a_sample_by_chance_tells_of_the_whole() -> None:
    """The mean over samples of 1 in 10, each row weighing 10, is the value of all rows."""
    rng = np.random.default_rng(12)
    scores = rng.beta(1, 3, 4000)
    labels = rng.random(4000) < scores
    whole = outcomes(scores, labels)
    kept = [rng.random(4000) < 0.1 for _ in range(200)]
    samples = [outcomes(scores[rows], labels[rows], np.full(rows.sum(), 10.0)) for rows in kept]
    for statistic in (
        confusion.accuracy,
        ranking_quality.auc_roc,
        probability.log_loss,
        probability.brier_score,
    ):
        values = np.array([statistic(sample) for sample in samples], dtype=float)
        error = values.std() / np.sqrt(len(values))
        assert statistic(whole) == pytest.approx(values.mean(), abs=4 * error)
    assert np.mean([sample.labelled_weight for sample in samples]) == pytest.approx(4000, rel=0.02)


def test_rows_without_a_score_or_a_class_are_still_labelled() -> None:
    nothing = OutcomeSummary.fold(
        np.full(3, np.nan), np.full(3, -1), np.array([0, 1, 1]), one_group(3), 1, weights=np.full(3, 4.0)
    )[0]
    assert [nothing.labelled, nothing.scored, nothing.classified] == [3, 0, 0]
    assert nothing.labelled_weight == 12
    assert confusion.positive_ratio(nothing) == pytest.approx(2 / 3)
    assert confusion.accuracy(nothing) is None
    assert confusion.false_positive_rate(nothing) is None
    for statistic in (
        probability.log_loss,
        probability.brier_score,
        probability.expected_calibration_error,
        probability.maximum_calibration_error,
        ranking_quality.auc_roc,
        ranking_quality.average_precision,
    ):
        assert statistic(nothing) is None
    assert average_precision_bound(nothing) == 0
