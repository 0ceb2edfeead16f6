"""Intervals and tests of pairs, against scipy and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from exporter.statistics.paired import mcnemar_p_value, paired_mean_interval, paired_share_interval


@pytest.mark.parametrize(("first", "second"), [(0, 1), (3, 3), (5, 12), (12, 5), (40, 90), (0, 30)])
def test_mcnemars_test_is_that_of_a_coin(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue
    assert mcnemar_p_value(first, second) == pytest.approx(expected)


def test_the_interval_of_a_mean_of_pairs_is_students() -> None:
    rng = np.random.default_rng(3)
    differences = rng.normal(0.1, 1, 40)
    expected = stats.ttest_1samp(differences, 0).confidence_interval()
    found = paired_mean_interval(differences.mean(), differences.var(), len(differences))
    assert found == pytest.approx((expected.low, expected.high))


def test_what_has_no_interval_has_none() -> None:
    assert paired_share_interval(0, 0, 0) is None
    assert mcnemar_p_value(0, 0) is None
    assert paired_mean_interval(1, 0, 1) is None


def test_bonett_and_price_by_hand() -> None:
    """14 and 5 of 100: (15 - 6)/102 the other way round, ± 1.96 sqrt((15/102 + 6/102 - (9/102)²)/102)."""
    assert paired_share_interval(14, 5, 100) == pytest.approx(
        (-9 / 102 - 1.959964 * 0.0440696, -9 / 102 + 1.959964 * 0.0440696), abs=1e-4
    )


@pytest.mark.parametrize(
    ("pairs", "first", "second"), [(50, 0.1, 0.2), (200, 0.01, 0.05), (2000, 0.01, 0.01)]
)
def test_the_interval_of_pairs_holds_the_truth_in_about_95_of_100(
    pairs: int, first: float, second: float
) -> None:
    rng, held = np.random.default_rng(17), 0
    for only_first, only_second, _ in rng.multinomial(pairs, [first, second, 1 - first - second], 1000):
        found = paired_share_interval(only_first, only_second, pairs)
        assert found is not None
        held += found[0] <= second - first <= found[1]
    assert 930 <= held < 1000
