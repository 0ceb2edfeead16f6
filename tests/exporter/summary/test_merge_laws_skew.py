"""Skew and ages of features: merging is folding the whole, and counts are those of a plain reading."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exporter.summary.skew import LATER, NO_CODE, FeatureAgeSummary, SkewSummary, differing

FEATURES = ("amount", "country")
RELATIVE, ABSOLUTE = 1e-3, 1e-6
number = st.one_of(
    st.none(),
    st.sampled_from([0.0, 1.0, 1.0005, 1.0015, -1.0, 1e-7, math.inf, -math.inf, 1e300, -1e300]),
    st.floats(-10, 10),
)
text = st.sampled_from([None, 1, 2, 3])
row = st.tuples(number, number, text, text, st.booleans(), st.sampled_from([1.0, 2.0, 8.0]))
rows = st.lists(row, max_size=12)
Row = tuple[float | None, float | None, int | None, int | None, bool, float]


Pair = tuple[float | None, float | None, float]


def bits(value: float | None) -> int:
    return int(NO_CODE) if value is None else int(np.array(value + 0.0).view(np.int64))


def fold(some: list[Row]) -> SkewSummary:
    served, offline = (
        np.array([[bits(row[side]), row[2 + side] or NO_CODE] for row in some], dtype=np.int64).reshape(-1, 2)
        for side in (0, 1)
    )
    known = np.array([[row[4], True] for row in some], dtype=bool).reshape(-1, 2)
    differ = differing(served, offline, np.array([True, False]), RELATIVE, ABSOLUTE)
    weights = np.array([row[5] for row in some])
    groups = np.zeros(len(some), dtype=np.intp)
    return SkewSummary.fold(FEATURES, served, offline, differ, known, weights, groups, 1)[0]


def close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


@given(rows, rows, rows)
def test_merging_is_folding_the_whole(first: list[Row], second: list[Row], third: list[Row]) -> None:
    a, b, c = fold(first), fold(second), fold(third)
    assert a + fold([]) == a
    assert a + b == b + a
    assert (a + b) + c == a + (b + c) == fold(first + second + third)


@given(rows)
def test_counts_are_those_of_a_plain_reading(some: list[Row]) -> None:
    found = fold(some)
    of_numbers: list[Pair] = [(row[0], row[1], row[5]) for row in some if row[4]]
    of_texts: list[Pair] = [(row[2], row[3], row[5]) for row in some]
    for place, pairs in enumerate((of_numbers, of_texts)):
        both = [(one, other, weight) for one, other, weight in pairs if None not in (one, other)]
        equal = close if place == 0 else lambda one, other: one == other
        assert found.rows[place] == len(pairs)
        assert found.weights[place] == sum(weight for *_, weight in pairs)
        assert found.different[place] == sum(
            weight
            for one, other, weight in both
            if one is not None and other is not None and not equal(one, other)
        )
        lone = [(one is None, weight) for one, other, weight in pairs if (one is None) != (other is None)]
        assert found.not_served[place] == sum(weight for missing, weight in lone if missing)
        assert found.not_offline[place] == sum(weight for missing, weight in lone if not missing)
    assert np.array_equal(found.mismatched, found.different + found.not_served + found.not_offline)


ages = st.lists(
    st.one_of(st.just(math.nan), st.sampled_from([0.0, -0.5, -LATER, -2.0, 86_400.0]), st.floats(-1e6, 1e6)),
    max_size=12,
)


def aged(some: list[float]) -> FeatureAgeSummary:
    return FeatureAgeSummary.fold(np.array(some, dtype=float), np.zeros(len(some), dtype=np.intp), 1)[0]


@given(ages, ages)
def test_ages_merge_and_later_ones_are_counted(first: list[float], second: list[float]) -> None:
    whole = aged(first + second)
    merged = aged(first) + aged(second)
    assert np.array_equal(merged.counts, whole.counts)
    assert math.isclose(float(merged.total), float(whole.total), rel_tol=1e-9)
    known = [age for age in first + second if not math.isnan(age)]
    assert whole.present == len(known)
    assert whole.later == merged.later == sum(age < -LATER for age in known)
