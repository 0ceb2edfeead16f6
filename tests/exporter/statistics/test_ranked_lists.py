"""Ranked lists against scikit-learn and plain formulas."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from exporter.statistics import ranked_lists
from exporter.summary.ranking import MEASURES, RankingOutcomeSummary, list_quality
from tests.support.summaries import empty_of

NDCG, AVERAGE_PRECISION, RECALL, PRECISION = range(4)

CUTOFFS = (1, 3, 5, 10, 20)


def one_list(
    gains: list[float], relevant: list[float] | None = None, scores: list[float] | None = None
) -> np.ndarray:
    """(4, len(CUTOFFS)). ``relevant``: of items that were not shown, beside ``gains``."""
    every = gains + (relevant or [])
    quality: np.ndarray = list_quality(
        CUTOFFS,
        np.array(gains, dtype=float),
        np.array([len(gains)]),
        np.array(every, dtype=float),
        np.array([len(every)]),
        None if scores is None else np.array(scores, dtype=float),
    )[0]
    return quality


def plain(gains: list[float], missed: list[float], k: int) -> list[float]:
    """Average precision, recall, precision, with one loop over the ranks."""
    every = sum(gain > 0 for gain in gains + missed)
    hits, precisions = 0, 0.0
    for rank, gain in enumerate(gains[:k], start=1):
        if gain > 0:
            hits += 1
            precisions += hits / rank
    return [
        precisions / min(every, k) if every else np.nan,
        hits / every if every else np.nan,
        hits / k,
    ]


def plain_ndcg(gains: list[float], missed: list[float], k: int) -> float:
    def discounted(values: list[float]) -> float:
        return float(sum(value / np.log2(place + 2) for place, value in enumerate(values[:k])))

    ideal = discounted(sorted(gains + missed, reverse=True))
    return discounted(gains) / ideal if ideal else np.nan


gains_of_a_list = st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.0, 3.5]), max_size=30)


@given(shown=gains_of_a_list, missed=gains_of_a_list)
def test_one_list_is_its_plain_formulas(shown: list[float], missed: list[float]) -> None:
    quality = one_list(shown, missed)
    for column, k in enumerate(CUTOFFS):
        exact = [plain_ndcg(shown, missed, k), *plain(shown, missed, k)]
        np.testing.assert_allclose(quality[:, column], exact, atol=1e-12)


@given(data=st.data(), shown=st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.5]), min_size=2, max_size=25))
def test_ndcg_with_ties_is_scikit_learns(data: st.DataObject, shown: list[float]) -> None:
    some = st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), min_size=len(shown), max_size=len(shown))
    scores = sorted(data.draw(some), reverse=True)
    quality = one_list(shown, scores=scores)
    for column, k in enumerate(CUTOFFS):
        exact = metrics.ndcg_score([shown], [scores], k=k) if any(shown) else np.nan
        np.testing.assert_allclose(quality[NDCG, column], exact, atol=1e-12)


@given(lists=st.lists(st.tuples(gains_of_a_list, gains_of_a_list), max_size=8), tied=st.booleans())
def test_many_lists_are_each_list_alone(lists: list[Any], tied: bool) -> None:
    shown = [gains for gains, _ in lists]
    every = [gains + missed for gains, missed in lists]
    scores = [[0.5 if tied else -float(place) for place in range(len(gains))] for gains in shown]
    together = list_quality(
        CUTOFFS,
        np.array(list(chain.from_iterable(shown)), dtype=float),
        np.array([len(gains) for gains in shown], dtype=np.intp),
        np.array(list(chain.from_iterable(every)), dtype=float),
        np.array([len(gains) for gains in every], dtype=np.intp),
        np.array(list(chain.from_iterable(scores)), dtype=float),
    )
    assert together.shape == (len(lists), len(MEASURES), len(CUTOFFS))
    for row, (gains, missed) in enumerate(lists):
        np.testing.assert_allclose(together[row], one_list(gains, missed, scores[row]), atol=1e-12)


def test_real_lists_agree_with_scikit_learn() -> None:
    """Diabetes patients in random lists of 10, ranked by a regression rounded to tens, which ties many."""
    data = load_diabetes()
    order = np.random.default_rng(31).permutation(440).reshape(44, 10)
    scores = np.round(LinearRegression().fit(data.data, data.target).predict(data.data), -1)[order]
    truth = data.target[order]
    ranks = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(truth, ranks, axis=1)
    lengths = np.full(44, 10)
    quality = list_quality(
        (3, 5, 10),
        ranked.ravel(),
        lengths,
        ranked.ravel(),
        lengths,
        np.take_along_axis(scores, ranks, axis=1).ravel(),
    )
    weights = np.linspace(1, 5, 44)
    summary = RankingOutcomeSummary.fold(
        (3, 5, 10), quality, np.zeros(44, dtype=np.intp), 1, weights=weights
    )[0]
    for k in (3, 5, 10):
        assert ranked_lists.mean_quality(summary, "ndcg", k) == pytest.approx(
            metrics.ndcg_score(truth, scores, k=k, sample_weight=weights)
        )
    assert summary.labelled == 44
    assert summary.labelled_weight == pytest.approx(weights.sum())
    assert (summary.lists == 44).all()


def test_items_not_shown_are_missed() -> None:
    quality = one_list([1.0, 0.0], relevant=[1.0, 1.0])
    assert quality[RECALL].tolist() == pytest.approx([1 / 3] * 5)
    assert quality[PRECISION].tolist() == pytest.approx([1, 1 / 3, 1 / 5, 1 / 10, 1 / 20])
    assert quality[AVERAGE_PRECISION].tolist() == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3, 1 / 3])
    assert quality[NDCG, 1] == pytest.approx(1 / (1 + 1 / np.log2(3) + 1 / 2))


def test_an_empty_list_is_a_failure_where_something_was_relevant() -> None:
    assert one_list([], relevant=[2.0]).tolist() == [[0.0] * 5] * 4


def test_a_list_without_anything_relevant_is_left_out_of_all_but_precision() -> None:
    nothing = one_list([0.0, 0.0])
    good = one_list([1.0, 0.0])
    summary = RankingOutcomeSummary.fold(CUTOFFS, np.stack([nothing, good]), np.zeros(2, dtype=np.intp), 1)[0]
    assert summary.labelled == 2
    assert [ranked_lists.lists(summary, measure, 3) for measure in MEASURES] == [1, 1, 1, 2]
    assert ranked_lists.mean_quality(summary, "ndcg", 3) == 1
    assert ranked_lists.mean_quality(summary, "average_precision", 3) == 1
    assert ranked_lists.mean_quality(summary, "recall", 3) == 1
    assert ranked_lists.mean_quality(summary, "precision", 3) == pytest.approx(1 / 6)


def test_nothing_known_is_nothing_said() -> None:
    summary = empty_of(RankingOutcomeSummary)
    for measure in MEASURES:
        assert ranked_lists.mean_quality(summary, measure, 10) is None
        with pytest.raises(ValueError):
            ranked_lists.mean_quality(summary, measure, 7)


@pytest.mark.parametrize("gain", [-1.0, np.nan, np.inf])
def test_gains_that_are_none_are_refused(gain: float) -> None:
    with pytest.raises(ValueError, match="finite numbers of 0 or more"):
        one_list([1.0, gain])


def test_lengths_that_do_not_fit_are_refused() -> None:
    gains = np.ones(3)
    with pytest.raises(ValueError, match="add up"):
        list_quality(CUTOFFS, gains, np.array([2]), gains, np.array([3]))


def test_a_long_list_costs_no_more_than_its_items() -> None:
    rng = np.random.default_rng(32)
    gains = (rng.random(200_000) < 0.01).astype(float)
    quality = list_quality(CUTOFFS, gains, np.array([200_000]), gains, np.array([200_000]))[0]
    for column, k in enumerate(CUTOFFS):
        np.testing.assert_allclose(quality[1:, column], plain(gains.tolist(), [], k), atol=1e-12)
