"""Labels counted over edges: merging is folding the whole, and coarser edges lose nothing else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.summary.base import Floats
from exporter.summary.labels import LabelBinsSummary
from tests.support.summaries import empty_of

EDGES = np.array([-1.0, 0.0, 0.5, 8.0])
row = st.tuples(
    st.one_of(st.sampled_from([*EDGES, np.nan, np.inf, -np.inf]), st.floats(-10, 10)),
    st.sampled_from([1.0, 2.0, 0.25]),
)
rows = st.lists(row, max_size=20)


def fold(some: list[tuple[float, float]]) -> LabelBinsSummary:
    values = np.array(some, dtype=float).reshape(-1, 2)
    groups = np.zeros(len(some), dtype=np.intp)
    return LabelBinsSummary.fold(EDGES, values[:, 0], groups, 1, values[:, 1])[0]


def plain(some: list[tuple[float, float]], edges: Floats) -> Floats:
    """Sum of the weights of finite labels in (low, high]."""
    bounds = [-np.inf, *edges, np.inf]
    return np.array(
        [
            sum(weight for label, weight in some if np.isfinite(label) and low < label <= high)
            for low, high in pairwise(bounds)
        ],
        dtype=float,
    )


@given(rows, rows, rows)
def test_merging_is_folding_the_whole(
    first: list[tuple[float, float]], second: list[tuple[float, float]], third: list[tuple[float, float]]
) -> None:
    a, b, c = fold(first), fold(second), fold(third)
    assert a + empty_of(LabelBinsSummary, EDGES) == a
    assert a + b == b + a
    assert (a + b) + c == a + (b + c) == fold(first + second + third)
    assert float(a.rows.sum()) == sum(np.isfinite(label) for label, _ in first)


@given(rows, st.sets(st.sampled_from(EDGES.tolist())))
def test_counts_are_those_of_a_plain_reading(some: list[tuple[float, float]], edges: set[float]) -> None:
    kept = np.array(sorted(edges))
    assert np.array_equal(fold(some).regrouped(kept), plain(some, kept))


def test_other_edges_are_refused() -> None:
    with pytest.raises(ValueError, match="subset"):
        fold([]).regrouped(np.array([0.25]))
    with pytest.raises(ValueError, match="edges"):
        fold([]) + empty_of(LabelBinsSummary, EDGES[:2])
