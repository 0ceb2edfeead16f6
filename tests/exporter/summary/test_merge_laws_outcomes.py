"""Merging outcomes is folding the whole: whatever the split, the order, the grouping and the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.summary.base import Composite, Summary
from exporter.summary.labels import DELAY_BOUNDS, AccuracyByDelaySummary
from exporter.summary.multiclass import MulticlassOutcomeSummary
from exporter.summary.outcomes import GroupOutcomeSummary, OutcomeSummary
from exporter.summary.ranking import RankingOutcomeSummary
from exporter.summary.regression import RegressionOutcomeSummary
from tests.support.summaries import empty_of, isclose

CLASSES = ("a", "b", "c")
KS = (1, 5)
GROUPS = 3
PIVOT = 0.5

# Dyadic numbers of moderate size: most of their sums are exact.
unit = st.one_of(st.integers(0, 2**10).map(lambda number: number / 2**10), st.just(np.nan))
numbers = st.one_of(
    st.integers(-(2**12), 2**12).map(lambda number: number / 8), st.sampled_from([np.nan, np.inf, 0.0])
)
delays = st.one_of(st.sampled_from([-1.0, np.nan, *DELAY_BOUNDS]), st.floats(0, 1e7))
weights = st.sampled_from([1.0, 2.0, 1 / 0.15])

Fold = Callable[[list[Any], np.ndarray, int, np.ndarray | None], Summary]


def column(rows: list[Any], place: int, kind: type = float) -> np.ndarray:
    return np.array([row[place] for row in rows], dtype=kind)


def binary(rows: list[Any], groups: np.ndarray, size: int, by: np.ndarray | None) -> Summary:
    codes = column(rows, 1, np.intp), column(rows, 2, np.intp)
    return OutcomeSummary.fold(column(rows, 0), *codes, groups, size, weights=by)


def group(rows: list[Any], groups: np.ndarray, size: int, by: np.ndarray | None) -> Summary:
    codes = column(rows, 1, np.intp), column(rows, 2, np.intp)
    return GroupOutcomeSummary.fold(column(rows, 0), *codes, groups, size, weights=by)


def multiclass(rows: list[Any], groups: np.ndarray, size: int, by: np.ndarray | None) -> Summary:
    probabilities = np.array([row[0] for row in rows], dtype=float).reshape(-1, len(CLASSES))
    codes = column(rows, 1, np.intp), column(rows, 2, np.intp)
    return MulticlassOutcomeSummary.fold(CLASSES, probabilities, *codes, groups, size, weights=by)


def regression(rows: list[Any], groups: np.ndarray, size: int, by: np.ndarray | None) -> Summary:
    return RegressionOutcomeSummary.fold(PIVOT, column(rows, 0), column(rows, 1), groups, size, weights=by)


def ranking(rows: list[Any], groups: np.ndarray, size: int, by: np.ndarray | None) -> Summary:
    quality = np.array(rows, dtype=float).reshape(-1, 4, len(KS))
    return RankingOutcomeSummary.fold(KS, quality, groups, size, weights=by)


def delay(rows: list[Any], groups: np.ndarray, size: int, by: np.ndarray | None) -> Summary:
    return AccuracyByDelaySummary.fold(column(rows, 0), column(rows, 1), groups, size, weights=by)


labelled = st.tuples(unit, st.integers(-1, 1), st.integers(0, 1))
FAMILIES: dict[str, tuple[Fold, Any, Summary]] = {
    "binary": (binary, labelled, empty_of(OutcomeSummary)),
    "group": (group, labelled, empty_of(GroupOutcomeSummary)),
    "multiclass": (
        multiclass,
        st.tuples(st.tuples(unit, unit, unit), st.integers(-1, 2), st.integers(-1, 2)),
        empty_of(MulticlassOutcomeSummary, CLASSES),
    ),
    "regression": (regression, st.tuples(numbers, numbers), empty_of(RegressionOutcomeSummary, PIVOT)),
    "ranking": (
        ranking,
        st.lists(unit, min_size=4 * len(KS), max_size=4 * len(KS)),
        empty_of(RankingOutcomeSummary, KS),
    ),
    "delay": (delay, st.tuples(delays, unit), empty_of(AccuracyByDelaySummary)),
}


def one(fold: Fold, rows: list[Any]) -> Summary:
    """Of (row, weight) pairs."""
    by = np.array([weight for _, weight in rows], dtype=float)
    return fold([row for row, _ in rows], np.zeros(len(rows), dtype=np.intp), 1, by)[0]


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_merging_is_folding_the_whole(family: str, data: st.DataObject) -> None:
    fold, row, empty = FAMILIES[family]
    a, b, c = (data.draw(st.lists(st.tuples(row, weights), max_size=8)) for _ in range(3))
    assert isclose(one(fold, a) + one(fold, b), one(fold, a + b))
    assert one(fold, a) + one(fold, b) == one(fold, b) + one(fold, a)
    assert isclose((one(fold, a) + one(fold, b)) + one(fold, c), one(fold, a) + (one(fold, b) + one(fold, c)))
    assert one(fold, a) + empty == one(fold, a)
    assert empty + one(fold, a) == one(fold, a)
    assert one(fold, []) == empty


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_a_stack_holds_one_summary_per_group(family: str, data: st.DataObject) -> None:
    fold, row, empty = FAMILIES[family]
    rows = data.draw(st.lists(st.tuples(row, weights, st.integers(0, GROUPS - 1)), max_size=10))
    groups = np.array([member for _, _, member in rows], dtype=np.intp)
    by = np.array([weight for _, weight, _ in rows], dtype=float)
    stack = fold([values for values, _, _ in rows], groups, GROUPS, by)
    assert stack.stack_vectors().shape == (GROUPS, empty.vector().size)
    for number in range(GROUPS):
        mine = one(fold, [(values, weight) for values, weight, member in rows if member == number])
        assert isclose(stack[number], mine)
        assert np.array_equal(stack.stack_vectors()[number], stack[number].vector())


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_weight_one_is_no_weight(family: str, data: st.DataObject) -> None:
    fold, row, _ = FAMILIES[family]
    rows = data.draw(st.lists(row, max_size=8))
    groups = np.zeros(len(rows), dtype=np.intp)
    assert fold(rows, groups, 1, None) == fold(rows, groups, 1, np.ones(len(rows)))


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_a_vector_holds_the_whole_summary(family: str, data: st.DataObject) -> None:
    fold, row, empty = FAMILIES[family]
    a, b = (one(fold, data.draw(st.lists(st.tuples(row, weights), max_size=6))) for _ in range(2))
    assert empty.with_vector(a.vector()) == a
    shape, first, second = (Composite({"x": part, "y": part}) for part in (empty, a, b))
    assert shape.with_vector(first.vector()) == first
    merged = first.vector()
    shape.merge_numbers(merged, slice(None), second.vector())
    assert shape.with_vector(merged) == first + second


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        (empty_of(MulticlassOutcomeSummary, ("a",)), empty_of(MulticlassOutcomeSummary, ("b",)), "classes"),
        (empty_of(RankingOutcomeSummary, (1,)), empty_of(RankingOutcomeSummary, (2,)), "ks"),
        (empty_of(RegressionOutcomeSummary, 0.0), empty_of(RegressionOutcomeSummary, 1.0), "pivot"),
    ],
)
def test_what_differs_does_not_merge(first: Summary, second: Summary, what: str) -> None:
    with pytest.raises(ValueError, match=f"different {what}"):
        first + second
