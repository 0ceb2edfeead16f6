"""Bounds that hold at every look: against the integral that they come from, and against looks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from benchmarks.launch import EVEN, LEAST_STOPPED, MOST_FALSE, PAIRS, UNEVEN, always_valid, decisions
from exporter.statistics.confidence_sequence import Sample, difference_bounds
from exporter.statistics.differences import share_difference_interval

OLD, NEW = Sample(3.0, 4.0, 900), Sample(3.5, 9.0, 300)


def half_width(old: Sample, new: Sample, confidence: float = 0.95, tuned_at: float = 1000) -> float:
    bounds = difference_bounds(old, new, confidence=confidence, tuned_at=tuned_at)
    assert bounds is not None
    return (bounds[1] - bounds[0]) / 2


@pytest.mark.parametrize("alpha", [0.3, 0.05, 0.001])
@pytest.mark.parametrize("tuned_at", [100, 1000])
def test_on_the_bounds_the_mixed_likelihood_ratio_is_one_over_alpha(alpha: float, tuned_at: float) -> None:
    variance = OLD.variance / (OLD.rows - 1) + NEW.variance / (NEW.rows - 1)
    # Tightest at x = -W(-α²/e) - 1 (the lower branch of Lambert's W), for a row's variance at half of tuned_at rows.
    tightest = -special.lambertw(-(alpha**2) / math.e, k=-1).real - 1
    spread = math.sqrt(tightest * (OLD.variance + NEW.variance) / tuned_at)
    drift = half_width(OLD, NEW, 1 - alpha, tuned_at) / variance

    def mixed(difference: float) -> float:
        ratio = math.exp(drift * difference - difference**2 / variance / 2)
        return ratio * float(stats.norm.pdf(difference, scale=spread))

    found, _ = integrate.quad(mixed, -12 * spread, 12 * spread, epsabs=0, limit=500)
    assert found == pytest.approx(1 / alpha, rel=1e-6)


def test_the_bounds_are_about_the_difference_and_tightest_where_they_are_tuned() -> None:
    low, high = difference_bounds(OLD, NEW, confidence=0.95, tuned_at=1000) or (0, 0)
    assert (low + high) / 2 == pytest.approx(0.5)
    old, new = Sample(0, 1, 1001), Sample(0, 1, 1001)
    widths = {tuned_at: half_width(old, new, tuned_at=tuned_at) for tuned_at in (700, 1000, 1400)}
    assert min(widths, key=widths.__getitem__) == 1000
    # Against an interval for one look.
    assert 1.4 < widths[1000] / (1.96 * math.sqrt(2 / 1000)) < 1.6


def test_no_errors_are_no_certainty_and_no_rows_are_no_bounds() -> None:
    none = Sample.of_share(0, 1000)
    low, high = difference_bounds(none, none, confidence=0.95, tuned_at=1000) or (0, 0)
    # Three of 1,000 are what one look could not exclude.
    assert low < -0.003
    assert high > 0.003
    assert difference_bounds(none, Sample(0, 1, 1), confidence=0.95, tuned_at=1000) is None
    assert difference_bounds(Sample(1, 0, 9), Sample(2, 0, 9), confidence=0.95, tuned_at=1000) is None
    assert difference_bounds(Sample(1, math.inf, 9), OLD, confidence=0.95, tuned_at=1000) is None


@pytest.mark.parametrize("split", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_daily_looks_decide_few_equal_pairs_and_stop_the_worse(split: tuple[int, int]) -> None:
    rng = np.random.default_rng(7)
    for share in (0.05, 0.2):
        decided = sum(map(len, decisions(rng, (share, share), split, always_valid)))
        assert decided <= MOST_FALSE * PAIRS
    launched, stopped = decisions(rng, (0.1, 0.13), split, always_valid)
    assert len(stopped) >= LEAST_STOPPED * PAIRS
    assert len(launched) <= MOST_FALSE * PAIRS
    assert np.median(stopped) <= 12


def test_daily_looks_at_an_interval_for_one_look_decide_many() -> None:
    """Else the test above could not fail."""
    rng = np.random.default_rng(7)
    peeking = decisions(rng, (0.1, 0.1), EVEN, share_difference_interval, pairs=200)
    assert sum(map(len, peeking)) > 3 * MOST_FALSE * 200
