"""Metrics of sets of classes are scikit-learn's, names that are no class being one more."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from exporter.statistics import multilabel
from exporter.summary.base import Flags, Floats
from exporter.summary.multiclass import MOST_DETAILED
from exporter.summary.multilabel import (
    MEASURES,
    LabelSetsSummary,
    MultilabelOutcomeSummary,
    categories_of,
)

ORACLES = {
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
    "f1": metrics.f1_score,
}


class Sets(NamedTuple):
    """``predicted``, ``labels``: (rows, K + 1), the last column: another name. ``probabilities``: (rows, K)."""

    predicted: Flags
    labels: Flags
    probabilities: Floats
    weights: Floats

    @property
    def summary(self) -> MultilabelOutcomeSummary:
        rows, width = self.probabilities.shape
        known = np.ones(rows, dtype=bool)
        group = np.zeros(rows, dtype=np.intp)
        names = tuple(f"c{number}" for number in range(width))
        return MultilabelOutcomeSummary.fold(names, *self[:3], (known, known), group, 1, self.weights)[0]


def drawn(seed: int, rows: int, width: int, *, other: bool) -> Sets:
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(0, 65, (rows, width)) / 64
    labels = rng.random((rows, width + 1)) < 0.35
    predicted = np.append(probabilities >= 0.5, np.zeros((rows, 1), dtype=bool), axis=1)
    # Another name comes in predictions, or in labels: scikit-learn would match it with itself.
    labels[:, -1] &= other & (seed % 2 == 0)
    predicted[:, -1] = other & (seed % 2 == 1) & (rng.random(rows) < 0.2)
    return Sets(predicted, labels, probabilities, rng.choice([1.0, 2.0, 1 / 0.15], rows))


def columns(sets: Sets) -> dict[str, Any]:
    """Return what scikit-learn takes: without the last column where nothing is in it."""
    last = None if (sets.predicted | sets.labels)[:, -1].any() else -1
    return {
        "y_true": sets.labels[:, :last],
        "y_pred": sets.predicted[:, :last],
        "sample_weight": sets.weights,
    }


def same(found: float | None, exact: float) -> bool:
    return np.isnan(exact) if found is None else abs(found - exact) <= 1e-12


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(2, 12), st.booleans())
def test_every_metric_is_that_of_scikit_learn(seed: int, rows: int, width: int, other: bool) -> None:
    sets = drawn(seed, rows, width, other=other)
    summary, of = sets.summary, columns(sets)
    assert same(multilabel.accuracy(summary), metrics.accuracy_score(**of))
    assert same(multilabel.hamming_loss(summary), metrics.hamming_loss(**of))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for measure, oracle in ORACLES.items():
            for average in multilabel.AVERAGES:
                exact = oracle(**of, average=average, zero_division=np.nan)
                defined = ~np.isnan(multilabel.of_classes(summary, measure))
                if average == "weighted" and not summary.actual[defined].sum():
                    # A mean by no weights at all, which is 0 there.
                    exact = np.nan
                assert same(multilabel.mean(summary, measure, average), exact), (measure, average)
            each = oracle(**of, average=None, zero_division=np.nan)
            found = multilabel.of_classes(summary, measure)[: len(each)]
            assert np.allclose(found, each, rtol=0, atol=1e-12, equal_nan=True), measure


@pytest.mark.parametrize("seed", range(5))
def test_areas_are_those_of_scikit_learn(seed: int) -> None:
    """Within what the cells of scores are wide: the scores of a cell are the same here, but for two in 64."""
    sets = drawn(seed, 400, 5, other=False)
    truth, weights = sets.labels[:, :-1], sets.weights
    summary = sets.summary
    roc = metrics.roc_auc_score(truth, sets.probabilities, average=None, sample_weight=weights)
    assert multilabel.auc_roc_of_classes(summary) == pytest.approx(roc, abs=0.01)
    area = metrics.average_precision_score(truth, sets.probabilities, average=None, sample_weight=weights)
    assert multilabel.average_precision_of_classes(summary) == pytest.approx(area, abs=0.03)
    for average in multilabel.SCORE_AVERAGES:
        exact = metrics.roc_auc_score(truth, sets.probabilities, average=average, sample_weight=weights)
        assert multilabel.auc_roc(summary, average) == pytest.approx(exact, abs=0.01)
        exact = metrics.average_precision_score(
            truth, sets.probabilities, average=average, sample_weight=weights
        )
        assert multilabel.average_precision(summary, average) == pytest.approx(exact, abs=0.03)


def test_names_on_both_sides_are_one_class_that_is_never_right() -> None:
    sets = np.array([[True, False, True], [False, True, False]])
    summary = Sets(sets, sets, np.full((2, 2), 0.5), np.ones(2)).summary
    assert multilabel.accuracy(summary) == 0.5
    assert multilabel.hamming_loss(summary) == pytest.approx(1 / 6)
    assert multilabel.of_classes(summary, "f1").tolist() == [1, 1, 0]
    assert multilabel.mean(summary, "precision", "macro") == pytest.approx(2 / 3)
    assert multilabel.mean(summary, "recall", "samples") == pytest.approx((0.5 + 1) / 2)


def test_nothing_has_no_metric() -> None:
    none = np.zeros((0, 4), dtype=bool)
    summary = Sets(none, none, np.empty((0, 3)), np.empty(0)).summary
    assert multilabel.accuracy(summary) is None
    assert multilabel.hamming_loss(summary) is None
    for measure in MEASURES:
        for average in multilabel.AVERAGES:
            assert multilabel.mean(summary, measure, average) is None
    for average in multilabel.SCORE_AVERAGES:
        assert multilabel.auc_roc(summary, average) is None
        assert multilabel.average_precision(summary, average) is None


def test_empty_sets_are_right_and_have_no_precision() -> None:
    none = np.zeros((3, 4), dtype=bool)
    summary = Sets(none, none, np.zeros((3, 3)), np.ones(3)).summary
    assert multilabel.accuracy(summary) == 1
    assert multilabel.hamming_loss(summary) == 0
    assert all(
        multilabel.mean(summary, measure, average) is None
        for measure in MEASURES
        for average in multilabel.AVERAGES
    )


def test_of_many_classes_no_cells_are_kept() -> None:
    for width in (MOST_DETAILED, MOST_DETAILED + 1):
        assert bool(drawn(0, 5, width, other=False).summary.class_cells.size) == (width == MOST_DETAILED)


def test_a_set_counts_as_one_in_the_mix() -> None:
    members = np.array([[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]], dtype=bool)
    summary = LabelSetsSummary.fold(("a", "b", "c"), members, np.zeros(4, dtype=np.intp), 1)[0]
    assert multilabel.cardinality(summary) == 7 / 4
    assert summary.counts.tolist() == [3, 2, 1, 1]
    third = 1 / 3
    assert summary.mix == pytest.approx([1 + third, 0.5 + third, third, 0.5, 1], abs=1e-5)
    assert summary.mix.sum() == summary.present == 4
    assert summary.over(("b", "x", "(none)"))[:3] == pytest.approx([0.5 + third, 0, 1], abs=1e-5)
    assert categories_of(("a",)) == ("a", "(other)", "(none)")
