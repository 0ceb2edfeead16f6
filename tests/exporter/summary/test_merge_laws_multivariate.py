"""Merging is folding the whole, for the summaries of several features at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from exporter.summary.base import Summary
from exporter.summary.second_moments import CLIP, SecondMomentsSummary
from exporter.summary.traffic import AttributionSummary
from tests.support.summaries import empty_of

MEANS, DEVIATIONS = np.array([0.5, -2.0, 0.0, 3.0]), np.array([2.0, 0.5, 1.0, 0.0])
NAMES = ("a", "b", "c", "d")

# Dyadic numbers of moderate size: sums and products are exact, so that equality can be asked for.
numbers = st.one_of(
    st.integers(-512, 512).map(lambda number: number / 32),
    st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 1e300]),
)
attributions = st.one_of(
    st.integers(-512, 512).map(lambda number: number / 32), st.sampled_from([np.nan, np.inf])
)


def table(rows: list[Any]) -> np.ndarray:
    return np.array(rows, dtype=float).reshape(-1, 4)


def moments(rows: list[Any]) -> Summary:
    return SecondMomentsSummary.fold(MEANS, DEVIATIONS, table(rows).T, np.zeros(len(rows), dtype=np.intp), 1)[
        0
    ]


def explanations(rows: list[Any]) -> Summary:
    return AttributionSummary.fold(NAMES, table(rows), np.zeros(len(rows), dtype=np.intp), 1)[0]


FAMILIES: dict[str, tuple[Callable[[list[Any]], Summary], Any, Summary]] = {
    "second moments": (moments, st.tuples(*[numbers] * 4), empty_of(SecondMomentsSummary, MEANS, DEVIATIONS)),
    "attributions": (explanations, st.tuples(*[attributions] * 4), empty_of(AttributionSummary, NAMES)),
}


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_merging_is_folding_the_whole(family: str, data: st.DataObject) -> None:
    fold, row, empty = FAMILIES[family]
    a, b, c = (data.draw(st.lists(row, max_size=16)) for _ in range(3))
    assert fold(a) + fold(b) == fold(a + b)
    assert fold(a) + fold(b) == fold(b) + fold(a)
    assert (fold(a) + fold(b)) + fold(c) == fold(a) + (fold(b) + fold(c))
    assert fold(a) + empty == fold(a)
    assert empty + fold(a) == fold(a)
    assert fold([]) == empty
    assert empty.with_vector(fold(a).vector()) == fold(a)


@given(
    values=hnp.arrays(np.float64, st.tuples(st.integers(0, 60), st.just(4)), elements=numbers), data=st.data()
)
def test_a_stack_holds_one_summary_per_group(values: np.ndarray, data: st.DataObject) -> None:
    # 2 groups are multiplied as matrices, 300 in an order of their own.
    size = data.draw(st.sampled_from([2, 20, 300]))
    groups = data.draw(hnp.arrays(np.intp, len(values), elements=st.integers(0, size - 1)))
    stacks = (
        SecondMomentsSummary.fold(MEANS, DEVIATIONS, values.T, groups, size),
        AttributionSummary.fold(NAMES, np.where(values == 1e300, 0.0, values), groups, size),
    )
    for group in {0, *groups.tolist()}:
        mine = values[groups == group].tolist()
        assert stacks[0][group] == moments(mine)
        assert stacks[1][group] == explanations(np.where(table(mine) == 1e300, 0.0, table(mine)).tolist())
    for stack in stacks:
        assert np.array_equal(stack.stack_vectors()[1], stack[1].vector())


@pytest.mark.parametrize("size", [1, 7, 3000])
def test_many_rows_are_the_plain_sums_of_each_group(size: int) -> None:
    rng = np.random.default_rng(size)
    values = rng.normal(size=(100_000, 4)) * 8
    groups = rng.integers(0, size, len(values))
    stack = SecondMomentsSummary.fold(MEANS, DEVIATIONS, values.T, groups, size)
    z = np.clip((values - MEANS) / np.where(DEVIATIONS > 0, DEVIATIONS, np.inf), -CLIP, CLIP)
    for group in (0, size - 1):
        mine = z[groups == group]
        assert stack[group].rows == len(mine)
        assert stack[group].sums == pytest.approx(mine.sum(axis=0), rel=1e-9, abs=1e-9)
        assert stack[group].second_moment == pytest.approx(mine.T @ mine / len(mine), rel=1e-9, abs=1e-9)


def test_different_constants_do_not_merge() -> None:
    with pytest.raises(ValueError, match="different means"):
        empty_of(SecondMomentsSummary, MEANS, DEVIATIONS) + empty_of(
            SecondMomentsSummary, MEANS + 1, DEVIATIONS
        )
    with pytest.raises(ValueError, match="different features"):
        empty_of(AttributionSummary, NAMES) + empty_of(AttributionSummary, NAMES[::-1])
