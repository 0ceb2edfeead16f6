"""Drift of many features at once: honest alarms, and real shifts found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from exporter.statistics.contingency import chi_squared_p_value
from exporter.statistics.false_discovery import combined_p_value, drifted
from exporter.statistics.kolmogorov_smirnov import kolmogorov_smirnov, kolmogorov_smirnov_p_value
from exporter.statistics.rank_sum import rank_sum_p_value

NORMAL, CATEGORICAL, BINS = 16, 4, 200


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0])
def test_rank_sum_agrees_with_scipy(shift: float) -> None:
    rng = np.random.default_rng(3)
    current, reference = rng.poisson(4 + shift, 300), rng.poisson(4, 900)
    counts = [np.bincount(sample, minlength=30).astype(float) for sample in (current, reference)]
    exact = stats.mannwhitneyu(current, reference, use_continuity=False, method="asymptotic").pvalue
    assert rank_sum_p_value(*counts) == pytest.approx(exact, rel=1e-9)


def test_rank_sum_of_one_bin_or_nothing_is_not_defined() -> None:
    assert rank_sum_p_value(np.array([5.0]), np.array([9.0])) is None
    assert rank_sum_p_value(np.zeros(3), np.ones(3)) is None


def test_cauchy_combination_agrees_with_scipy() -> None:
    assert combined_p_value(0.3) == pytest.approx(0.3)
    weighted = np.tan((0.5 - np.array([0.01, 0.4])) * np.pi).mean()
    assert combined_p_value(0.01, 0.4) == pytest.approx(stats.cauchy.sf(weighted))


def test_behind_the_gate_it_is_benjamini_and_hochberg() -> None:
    p_values = {f"f{i}": p for i, p in enumerate([1e-12, 1e-6, 0.01, 0.03, 0.2, 0.5, 0.9])}
    adjusted = stats.false_discovery_control(list(p_values.values()))
    expected = {name for name, value in zip(p_values, adjusted, strict=True) if value <= 0.3}
    assert drifted(p_values) == expected
    assert drifted({"a": 0.01, "b": 0.5}) == set()
    assert drifted({}) == set()


def window(rng: np.random.Generator, rows: int, reference_rows: int, shifted: int) -> int:
    """How many features are named; the first ``shifted`` normal ones moved by a quarter of a deviation."""
    p_values = {}
    for feature in range(NORMAL):
        reference = rng.normal(size=reference_rows)
        current = rng.normal(size=rows) + (0.25 if feature < shifted else 0.0)
        edges = np.quantile(reference, np.arange(1, BINS) / BINS)
        now, then = (
            np.bincount(np.searchsorted(edges, sample), minlength=BINS).astype(float)
            for sample in (current, reference)
        )
        ranks, distance = rank_sum_p_value(now, then), kolmogorov_smirnov(now, then)
        assert ranks is not None
        assert distance is not None
        ks = kolmogorov_smirnov_p_value(distance, rows, reference_rows)
        p_values[f"n{feature}"] = combined_p_value(ranks, ks)
    for feature in range(CATEGORICAL):
        now, then = (rng.multinomial(size, [0.1] * 10).astype(float) for size in (rows, reference_rows))
        p = chi_squared_p_value(now, then)
        assert p is not None
        p_values[f"c{feature}"] = p
    return len(drifted(p_values))


@pytest.mark.parametrize(("rows", "reference_rows"), [(200, 1000), (200, 10_000), (1000, 1000)])
def test_drift_free_windows_ring_at_most_once_in_a_year(rows: int, reference_rows: int) -> None:
    rng = np.random.default_rng(rows + reference_rows)
    assert sum(window(rng, rows, reference_rows, 0) >= 4 for _ in range(365)) <= 1


@pytest.mark.parametrize(
    ("rows", "reference_rows", "least"), [(200, 10_000, 45), (1000, 1000, 60), (1000, 10_000, 60)]
)
def test_four_features_that_moved_are_found(rows: int, reference_rows: int, least: int) -> None:
    rng = np.random.default_rng(7)
    assert sum(window(rng, rows, reference_rows, 4) >= 4 for _ in range(60)) >= least
