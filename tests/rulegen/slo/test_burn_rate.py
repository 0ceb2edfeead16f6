"""Error-budget arithmetic against the formulas of the SRE workbook, chapter 5."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlslo.yamlfile import Duration
from rulegen.slo import burn_rate

OBJECTIVES = st.decimals("0.01", "99.999", places=3).map(float)
DAYS = st.integers(7, 365)
SHARES = {"1h": Fraction(2, 100), "6h": Fraction(5, 100), "1d": Fraction(1, 10), "3d": Fraction(1, 10)}


@pytest.mark.parametrize("days", [28, 30])
def test_the_tables_spend_the_workbooks_shares_of_the_budget(days: int) -> None:
    """Burn rate = share of the budget x time window / alert window; table 5-8 says which shares."""
    time_window = Duration(f"{days}d")
    for pair in burn_rate.windows(time_window):
        expected = SHARES[str(pair.long)] * days * 86_400 / Fraction(pair.long.seconds)
        assert float(pair.factor) == pytest.approx(float(expected), rel=1e-3)
        assert pair.short.seconds * 12 == pair.long.seconds


def test_thirty_days_are_the_workbooks() -> None:
    found = [(str(p.factor), str(p.long), str(p.short), p.speed) for p in burn_rate.THIRTY_DAYS]
    assert found == [
        ("14.4", "1h", "5m", "fast"),
        ("6", "6h", "30m", "fast"),
        ("3", "1d", "2h", "slow"),
        ("1", "3d", "6h", "slow"),
    ]


@given(DAYS)
def test_other_time_windows_scale(days: int) -> None:
    time_window = Duration(f"{days}d")
    pairs = burn_rate.windows(time_window)
    assert [pair.speed for pair in pairs] == ["fast", "fast", "slow", "slow"]
    for faster, slower in pairwise(pairs):
        assert faster.factor > slower.factor
        assert faster.long.seconds < slower.long.seconds
    for pair in pairs:
        assert pair.short.seconds >= burn_rate.SHORTEST
        assert pair.short.seconds < pair.long.seconds < time_window.seconds
        spent = float(pair.budget_spent(time_window))
        least_long = burn_rate.SHORTEST * 12
        if days not in (28, 30) and pair.long.seconds > least_long:
            # Whole minutes: at most half a minute off.
            exact = {Decimal("14.4"): 0.02, Decimal(6): 0.05, Decimal(3): 0.1, Decimal(1): 0.1}[pair.factor]
            assert spent == pytest.approx(exact, rel=31 / pair.long.seconds)
        assert spent < 0.1 + 1e-3


@pytest.mark.parametrize("days", range(1, 7))
def test_less_than_a_week_needs_windows_of_its_own(days: int) -> None:
    with pytest.raises(ValueError, match="expected a time window of 7d or more"):
        burn_rate.windows(Duration(f"{days}d"))


@given(OBJECTIVES, DAYS)
def test_a_pair_that_can_fire_fires_at_the_workbooks_error_rate(objective: float, days: int) -> None:
    """Alert where error rate > burn rate x (1 - SLO); it cannot where that is 1 or more."""
    budget = burn_rate.budget(objective)
    assert budget == (100 - Decimal(str(objective))) / 100
    can, cannot = burn_rate.that_can_fire(burn_rate.windows(Duration(f"{days}d")), objective)
    assert all(Fraction(pair.factor) * Fraction(budget) < 1 for pair in can)
    assert all(Fraction(pair.factor) * Fraction(budget) >= 1 for pair in cannot)
    assert can, "burning at the sustainable rate is possible at every objective"


@given(st.floats(allow_nan=False).filter(lambda share: not 0 < share < 100))
def test_an_objective_outside_of_0_to_100_is_refused(objective: float) -> None:
    if objective in (float("inf"), float("-inf")):
        return
    with pytest.raises(ValueError, match="expected an objective above 0 and below 100 percent"):
        burn_rate.budget(objective)
