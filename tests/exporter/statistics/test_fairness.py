"""Fairness between groups against scikit-learn and plain formulas, with the floors held."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_breast_cancer
from sklearn.naive_bayes import GaussianNB

from exporter.statistics import confusion, fairness, probability
from exporter.summary.categorical import UNSEEN, CategoricalSummary
from exporter.summary.outcomes import GroupOutcomeSummary, OutcomeSummary
from tests.support.summaries import empty_of


def selections(predicted: np.ndarray) -> CategoricalSummary:
    return CategoricalSummary.fold(("0", "1"), predicted, np.zeros(len(predicted), dtype=np.intp), 1)[0]


def group(
    predicted: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None = None,
    scores: np.ndarray | None = None,
) -> GroupOutcomeSummary:
    rows = len(labels)
    return GroupOutcomeSummary.fold(
        np.full(rows, np.nan) if scores is None else scores,
        predicted,
        labels,
        np.zeros(rows, dtype=np.intp),
        1,
        weights=weights,
    )[0]


def rows_of(true: int, false_negative: int, false_positive: int, true_negative: int) -> GroupOutcomeSummary:
    labels = np.repeat([1, 1, 0, 0], [true, false_negative, false_positive, true_negative])
    predicted = np.repeat([1, 0, 1, 0], [true, false_negative, false_positive, true_negative])
    return group(predicted, labels)


@pytest.mark.parametrize("weighted", [False, True])
def test_groups_of_real_patients(weighted: bool) -> None:
    """Breast cancer, by the quartile of a feature that the model does not know."""
    data = load_breast_cancer()
    known = data.data[:, [1, 9]]
    scores = GaussianNB().fit(known, data.target).predict_proba(known)[:, 1]
    predicted, labels = (scores >= 0.5).astype(np.intp), data.target.astype(np.intp)
    quartile = np.digitize(data.data[:, 5], np.quantile(data.data[:, 5], [0.25, 0.5, 0.75]))
    weights = np.where(np.arange(len(labels)) % 3, 1.0, 1 / 0.3) if weighted else np.ones(len(labels))
    stack = GroupOutcomeSummary.fold(scores, predicted, labels, quartile, 4, weights if weighted else None)
    groups = [stack[code] for code in range(4)]
    sensitivity, fallout, selected = [], [], []
    for code, summary in enumerate(groups):
        mine = quartile == code
        negative, positive = metrics.confusion_matrix(
            labels[mine], predicted[mine], normalize="true", sample_weight=weights[mine]
        )
        sensitivity.append(positive[1])
        fallout.append(negative[1])
        selected.append(predicted[mine].mean())
        assert confusion.recall(summary) == pytest.approx(positive[1])
        assert confusion.false_positive_rate(summary) == pytest.approx(negative[1])
        assert fairness.positives(summary) == labels[mine].sum()
        assert fairness.negatives(summary) == (1 - labels[mine]).sum()
        assert fairness.selection_rate(selections(predicted[mine])) == pytest.approx(selected[-1])
        whole = OutcomeSummary.fold(
            scores[mine],
            predicted[mine],
            labels[mine],
            np.zeros(mine.sum(), dtype=np.intp),
            1,
            weights[mine] if weighted else None,
        )[0]
        for error in (probability.expected_calibration_error, probability.maximum_calibration_error):
            assert error(summary) == pytest.approx(error(whole))
    ratio = fairness.demographic_parity_ratio(
        [selections(predicted[quartile == code]) for code in range(4)], floor=10
    )
    assert ratio == pytest.approx(min(selected) / max(selected))
    assert ratio != 1
    difference = fairness.equalized_odds_difference(groups, floor=10)
    assert difference == pytest.approx(max(np.ptp(sensitivity), np.ptp(fallout)))


def test_a_group_without_positives_is_not_a_difference_of_one() -> None:
    fair = [rows_of(80, 20, 10, 90), rows_of(78, 22, 12, 88)]
    expected = pytest.approx(0.02)
    assert fairness.equalized_odds_difference(fair, floor=50) == expected
    for small in (
        rows_of(0, 0, 5, 45),
        rows_of(0, 3, 0, 0),
        rows_of(49, 0, 0, 49),
        group(*[np.empty(0, int)] * 2),
    ):
        wide = fairness.equalized_odds_difference([*fair, small], floor=51)
        assert wide == expected


def test_each_rate_has_its_own_floor() -> None:
    few_positives = rows_of(1, 4, 40, 60)
    fair = [rows_of(80, 20, 10, 90), rows_of(78, 22, 12, 88)]
    assert fairness.equalized_odds_difference([*fair, few_positives], floor=50) == pytest.approx(0.3)
    assert fairness.equalized_odds_difference([fair[0], few_positives], floor=50) is None


def test_floors_count_rows_and_not_weights() -> None:
    labels, predicted = np.array([0, 1, 0, 1]), np.array([0, 1, 1, 0])
    heavy = group(predicted, labels, weights=np.full(4, 1000.0))
    assert fairness.equalized_odds_difference([heavy, heavy], floor=2) == 0
    assert fairness.equalized_odds_difference([heavy, heavy], floor=3) is None


def test_demographic_parity_leaves_small_groups_out() -> None:
    half, third = selections(np.arange(90) % 2), selections((np.arange(90) % 3 == 0).astype(np.intp))
    nobody = selections(np.zeros(20, dtype=np.intp))
    assert fairness.demographic_parity_ratio([half, third], floor=90) == pytest.approx(2 / 3)
    assert fairness.demographic_parity_ratio([half, third, nobody], floor=21) == pytest.approx(2 / 3)
    assert fairness.demographic_parity_ratio([half, third, nobody], floor=20) == 0
    assert fairness.demographic_parity_ratio([half, nobody], floor=21) is None
    assert fairness.demographic_parity_ratio([nobody, nobody], floor=1) is None
    assert fairness.demographic_parity_ratio([], floor=1) is None


def test_nothing_known_is_nothing_said() -> None:
    nothing = empty_of(GroupOutcomeSummary)
    assert confusion.recall(nothing) is None
    assert confusion.false_positive_rate(nothing) is None
    assert probability.expected_calibration_error(nothing) is None
    assert fairness.selection_rate(selections(np.array([UNSEEN, UNSEEN]))) is None
    assert fairness.equalized_odds_difference([nothing, nothing], floor=0) is None
    assert fairness.demographic_parity_ratio([selections(np.empty(0, dtype=np.intp))] * 2, floor=0) is None
