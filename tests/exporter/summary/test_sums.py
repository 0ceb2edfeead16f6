"""Exact sums, from which numbers are taken out again."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.summary.sums import CELLS, sums, total
from tests.support.properties import examples

# Of a few more than 1e308 the sum is beyond the floats, and its statistic withheld.
floats = st.floats(-1e300, 1e300)
numbers = st.lists(floats, max_size=20)


def of(values: list[float]) -> np.ndarray:
    return sums(np.zeros(len(values), dtype=np.intp), 1, np.array(values, dtype=np.float64))


@given(numbers, numbers, st.randoms())
@settings(max_examples=examples(100))
def test_what_is_taken_out_leaves_no_trace(kept: list[float], gone: list[float], random: Random) -> None:
    """One after the other, in any order, whatever was larger."""
    left = of(kept) if kept else np.zeros((1, CELLS))
    for number in gone:
        left = left + of([number])
    random.shuffle(gone)
    for number in gone:
        left = left - of([number])
    assert np.array_equal(left, of(kept))


@given(numbers)
@settings(max_examples=examples(100))
def test_limbs_are_exact(values: list[float]) -> None:
    (found,) = of(values)
    assert sum(map(Fraction, found.tolist())) == sum(map(Fraction, values))


@given(st.lists(st.tuples(st.integers(0, 2), floats), max_size=30))
@settings(max_examples=examples(80))
def test_groups_are_told_apart(rows: list[tuple[int, float]]) -> None:
    groups = np.array([group for group, _ in rows], dtype=np.intp)
    found = sums(groups, 3, np.array([number for _, number in rows], dtype=np.float64))
    for group in range(3):
        assert np.array_equal(found[group], of([number for mine, number in rows if mine == group])[0])


def test_a_number_that_was_off_by_far() -> None:
    assert 1e15 + 0.1 - 1e15 == 0.125
    assert total(of([0.1, 1e15, 1.1e15]) - of([1e15]) - of([1.1e15]))[0] == 0.1
    assert total(of([0.1, 1e300, -5e-324]) - of([1e300]))[0] == 0.1


def test_what_is_beyond_the_floats_can_be_taken_out() -> None:
    assert total(of([1.0, math.inf]))[0] == math.inf
    assert total(of([1.0, -math.inf, math.inf]))[0] == math.inf
    assert total(of([1.0, math.inf]) - of([math.inf]))[0] == 1.0
