"""Merging summaries of sets of classes is folding the whole: whatever the split, order, grouping and weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.summary.base import Summary
from exporter.summary.multilabel import LabelSetsSummary, MultilabelOutcomeSummary
from tests.support.summaries import isclose

CLASSES = ("a", "b", "c")
GROUPS = 3
WIDTH = len(CLASSES) + 1

members = st.lists(st.booleans(), min_size=WIDTH, max_size=WIDTH)
probability = st.one_of(st.integers(0, 2**10).map(lambda number: number / 2**10), st.just(np.nan))
row = st.tuples(
    members,
    members,
    st.tuples(probability, probability, probability),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1.0, 2.0, 1 / 0.15]),
    st.integers(0, GROUPS - 1),
)
rows = st.lists(row, max_size=8)
Fold = Callable[[list[Any], np.ndarray, int], Summary]


def flags(found: list[Any], place: int) -> np.ndarray:
    return np.array([item[place] for item in found], dtype=bool).reshape(-1, WIDTH)


def outcomes(found: list[Any], groups: np.ndarray, size: int) -> Summary:
    probabilities = np.array([item[2] for item in found], dtype=float).reshape(-1, len(CLASSES))
    known = tuple(np.array([item[place] for item in found], dtype=bool) for place in (3, 4))
    weights = np.array([item[5] for item in found], dtype=float)
    return MultilabelOutcomeSummary.fold(
        CLASSES, flags(found, 0), flags(found, 1), probabilities, (known[0], known[1]), groups, size, weights
    )


def sets(found: list[Any], groups: np.ndarray, size: int) -> Summary:
    weights = np.array([item[5] for item in found], dtype=float)
    return LabelSetsSummary.fold(CLASSES, flags(found, 0), groups, size, weights)


FAMILIES: dict[str, Fold] = {"outcomes": outcomes, "sets": sets}


def one(fold: Fold, found: list[Any]) -> Summary:
    return fold(found, np.zeros(len(found), dtype=np.intp), 1)[0]


@pytest.mark.parametrize("family", FAMILIES)
@given(rows, rows, rows)
def test_merging_is_folding_the_whole(family: str, a: list[Any], b: list[Any], c: list[Any]) -> None:
    fold = FAMILIES[family]
    empty = one(fold, [])
    assert isclose(one(fold, a) + one(fold, b), one(fold, a + b))
    assert one(fold, a) + one(fold, b) == one(fold, b) + one(fold, a)
    assert isclose((one(fold, a) + one(fold, b)) + one(fold, c), one(fold, a) + (one(fold, b) + one(fold, c)))
    assert one(fold, a) + empty == empty + one(fold, a) == one(fold, a)
    assert one(fold, a).with_vector(one(fold, a).vector()) == one(fold, a)


@pytest.mark.parametrize("family", FAMILIES)
@given(rows)
def test_a_stack_holds_one_summary_per_group(family: str, found: list[Any]) -> None:
    fold = FAMILIES[family]
    stack = fold(found, np.array([item[6] for item in found], dtype=np.intp), GROUPS)
    for group in range(GROUPS):
        assert isclose(stack[group], one(fold, [item for item in found if item[6] == group]))


@pytest.mark.parametrize("family", FAMILIES)
def test_summaries_of_other_classes_do_not_merge(family: str) -> None:
    mine = one(FAMILIES[family], [])
    other = type(mine)(**{**vars(mine), "classes": ("x", "y", "z")})
    with pytest.raises(ValueError, match="different classes do not merge"):
        mine + other
    assert mine.signature() != other.signature()
