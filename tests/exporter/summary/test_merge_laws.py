"""Merging is folding the whole: for every summary, whatever the split, the order and the grouping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from exporter.summary.base import Composite, Summary
from exporter.summary.categorical import MISSING, CategoricalSummary
from exporter.summary.hashed import RepetitionSummary
from exporter.summary.numeric import DurationSummary, NumericSummary
from exporter.summary.outcomes import OutcomeSummary
from exporter.summary.traffic import TrafficSummary
from tests.support.summaries import empty_of, isclose

EDGES = np.array([-10.0, 0.0, 1.0, 2.5, 1e6])
CATEGORIES = ("a", "b", "c")

# Dyadic numbers of moderate size: their sums are exact, so that equality can be asked for.
numbers = st.one_of(
    st.integers(-(2**20), 2**20).map(lambda number: number / 64),
    st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 1e4]),
)
scores = st.one_of(st.integers(0, 2**12).map(lambda number: number / 2**12), st.just(np.nan))


def one_group(rows: int) -> np.ndarray:
    return np.zeros(rows, dtype=np.intp)


def numeric(rows: list[Any]) -> Summary:
    return NumericSummary.fold(EDGES, 0.5, np.array(rows, dtype=float), one_group(len(rows)), 1)[0]


def categorical(rows: list[Any]) -> Summary:
    return CategoricalSummary.fold(CATEGORIES, np.array(rows, dtype=np.intp), one_group(len(rows)), 1)[0]


def durations(rows: list[Any]) -> Summary:
    return DurationSummary.fold(np.array(rows, dtype=float), one_group(len(rows)), 1)[0]


def repetition(rows: list[Any]) -> Summary:
    return RepetitionSummary.fold(np.array(rows, dtype=float), one_group(len(rows)), 1)[0]


def traffic(rows: list[Any]) -> Summary:
    flags = np.array(rows, dtype=bool).reshape(-1, 3)
    return TrafficSummary.fold(flags[:, 0], flags[:, 1], flags[:, 2], one_group(len(rows)), 1)[0]


def outcomes(rows: list[Any]) -> Summary:
    score = np.array([row[0] for row in rows], dtype=float)
    predicted = np.array([row[1] for row in rows], dtype=np.intp)
    label = np.array([row[2] for row in rows], dtype=np.intp)
    return OutcomeSummary.fold(score, predicted, label, one_group(len(rows)), 1)[0]


FAMILIES: dict[str, tuple[Callable[[list[Any]], Summary], Any, Summary]] = {
    "numeric": (numeric, numbers, empty_of(NumericSummary, EDGES, 0.5)),
    "categorical": (categorical, st.integers(MISSING, 2), empty_of(CategoricalSummary, CATEGORIES)),
    "durations": (durations, numbers, empty_of(DurationSummary)),
    "repetition": (repetition, numbers, empty_of(RepetitionSummary)),
    "traffic": (traffic, st.tuples(st.booleans(), st.booleans(), st.booleans()), empty_of(TrafficSummary)),
    "outcomes": (
        outcomes,
        st.tuples(scores, st.integers(-1, 1), st.integers(0, 1)),
        empty_of(OutcomeSummary),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_merging_is_folding_the_whole(family: str, data: st.DataObject) -> None:
    fold, row, empty = FAMILIES[family]
    a, b, c = (data.draw(st.lists(row, max_size=12)) for _ in range(3))

    def same(one: Summary, other: Summary) -> bool:
        # Log loss sums logarithms, which are not dyadic.
        return isclose(one, other) if family == "outcomes" else one == other

    assert same(fold(a) + fold(b), fold(a + b))
    assert same(fold(a) + fold(b), fold(b) + fold(a))
    assert same((fold(a) + fold(b)) + fold(c), fold(a) + (fold(b) + fold(c)))
    assert fold(a) + empty == fold(a)
    assert empty + fold(a) == fold(a)
    assert fold([]) == empty


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_a_vector_holds_the_whole_summary(family: str, data: st.DataObject) -> None:
    fold, row, empty = FAMILIES[family]
    a, b = (data.draw(st.lists(row, max_size=8)) for _ in range(2))
    assert empty.with_vector(fold(a).vector()) == fold(a)
    shape, one, other = (Composite({"x": part, "y": part}) for part in (empty, fold(a), fold(b)))
    assert shape.with_vector(one.vector()) == one
    merged = one.vector()
    shape.merge_numbers(merged, slice(None), other.vector())
    assert shape.with_vector(merged) == one + other
    places = np.flatnonzero(other.vector() != shape.vector())
    merged = one.vector()
    shape.merge_numbers(merged, places, other.vector()[places])
    assert shape.with_vector(merged) == one + other


@given(
    values=hnp.arrays(np.float64, st.integers(0, 30), elements=st.floats(-1e3, 1e3)),
    data=st.data(),
)
def test_a_stack_holds_one_summary_per_group(values: np.ndarray, data: st.DataObject) -> None:
    groups = data.draw(hnp.arrays(np.intp, len(values), elements=st.integers(0, 3)))
    stack = NumericSummary.fold(EDGES, 0.0, values, groups, 4)
    for group in range(4):
        mine = values[groups == group]
        assert isclose(stack[group], NumericSummary.fold(EDGES, 0.0, mine, one_group(len(mine)), 1)[0])
    assert np.array_equal(stack.stack_vectors()[2], stack[2].vector())


@given(values=hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(-20, 2e6)))
def test_bins_are_open_below_and_closed_above(values: np.ndarray) -> None:
    summary = numeric(list(values))
    assert isinstance(summary, NumericSummary)
    for position, (low, high) in enumerate(zip([-np.inf, *EDGES], [*EDGES, np.inf], strict=True)):
        assert summary.counts[position] == np.count_nonzero((values > low) & (values <= high))


def test_different_edges_do_not_merge() -> None:
    with pytest.raises(ValueError, match="different edges"):
        empty_of(NumericSummary, EDGES) + empty_of(NumericSummary, EDGES[1:])
    with pytest.raises(ValueError, match="different categories"):
        empty_of(CategoricalSummary, ("a",)) + empty_of(CategoricalSummary, ("b",))


def test_counts_regroup_over_a_subset_of_the_edges_only() -> None:
    summary = numeric([-20.0, -10.0, 0.5, 2.0, 3.0, 1e7])
    assert isinstance(summary, NumericSummary)
    assert summary.regrouped(np.array([0.0, 2.5])).tolist() == [2.0, 2.0, 2.0]
    assert summary.regrouped(np.empty(0)).tolist() == [6.0]
    with pytest.raises(ValueError, match="subset"):
        summary.regrouped(np.array([0.25]))
