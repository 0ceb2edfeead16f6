"""Merge laws of what estimates without labels are made of, and a plain count as oracle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporter.summary.base import Summary
from exporter.summary.outcomes import ClassScoresSummary
from exporter.summary.traffic import MeansSummary
from tests.support.summaries import empty_of

EDGES = np.array([0.0, 0.25, 0.5, 0.9])
Row = tuple[float, int, int]
rows = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.25, 0.26, 0.5, 0.9, 1.0, np.nan, np.inf]),
        st.integers(-1, 1),
        st.integers(0, 2),
    ),
    max_size=30,
)


def class_scores(some: list[Row], size: int = 1) -> ClassScoresSummary:
    scores, predicted, groups = (np.array([row[part] for row in some]) for part in range(3))
    groups = groups.astype(np.intp) if size > 1 else np.zeros(len(some), dtype=np.intp)
    stack = ClassScoresSummary.fold(EDGES, scores.astype(float), predicted.astype(np.intp), groups, size)
    return stack if size > 1 else stack[0]


def means(some: list[Row]) -> MeansSummary:
    """Sums of eighths are exact."""
    values = np.array([number / 8 if number >= 0 else np.nan for _, number, _ in some], dtype=float)
    return MeansSummary.fold({"right": values}, np.zeros(len(some), dtype=np.intp), 1)[0]


@given(rows, rows, rows)
def test_merging_is_folding_the_union(one: list[Row], two: list[Row], three: list[Row]) -> None:
    families: list[tuple[Callable[[list[Row]], Summary], Summary]] = [
        (class_scores, empty_of(ClassScoresSummary, EDGES)),
        (means, empty_of(MeansSummary, ("right",))),
    ]
    for fold, empty in families:
        first, second, third = fold(one), fold(two), fold(three)
        assert first + second == fold(one + two)
        assert first + second == second + first
        assert (first + second) + third == first + (second + third)
        assert first + empty == first


@given(rows)
def test_each_group_is_counted_by_itself(some: list[Row]) -> None:
    stack = class_scores(some, 3)
    for group in range(3):
        mine = [row for row in some if row[2] == group]
        assert stack[group] == class_scores(mine)
        for score, predicted, _ in mine:
            usable = [row for row in mine if np.isfinite(row[0]) and row[1] == predicted]
            cell = sum(score > edge for edge in EDGES)
            if np.isfinite(score) and predicted >= 0:
                same = sum(sum(row[0] > edge for edge in EDGES) == cell for row in usable)
                assert stack[group].counts[predicted, cell] == same
