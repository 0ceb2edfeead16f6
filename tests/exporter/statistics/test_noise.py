"""One drift-free window in a hundred exceeds a statistic's noise level: by simulation, for every statistic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from exporter.statistics.contingency import cramers_v, cramers_v_noise
from exporter.statistics.divergences import (
    hellinger_distance,
    hellinger_noise,
    jensen_shannon_distance,
    jensen_shannon_noise,
    population_stability_index,
    psi_noise,
)
from exporter.statistics.kolmogorov_smirnov import kolmogorov_smirnov, kolmogorov_smirnov_noise
from exporter.statistics.mean_shift import mean_shift, mean_shift_noise
from exporter.statistics.wasserstein import wasserstein_distance, wasserstein_noise
from exporter.summary.base import Floats
from exporter.summary.numeric import NumericSummary
from tests.exporter.statistics.test_oracles import binned
from tests.support.references import quantile_edges
from tests.support.summaries import empty_of

LEAST, MOST = 0.002, 0.03
REFERENCES, WINDOWS = 50, 20

OF_COUNTS = {
    "psi": (population_stability_index, psi_noise),
    "js_distance": (jensen_shannon_distance, jensen_shannon_noise),
    "hellinger_distance": (hellinger_distance, hellinger_noise),
    "cramers_v": (cramers_v, cramers_v_noise),
}
DRAWS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "exponential": lambda rng, size: rng.exponential(size=size),
    "heavy ties": lambda rng, size: rng.poisson(3, size).astype(float),
    "two values": lambda rng, size: (rng.random(size) < 0.1).astype(float),
    "zero-inflated": lambda rng, size: rng.exponential(size=size) * (rng.random(size) < 0.3),
}
TEN_UNEVEN = np.array([0.4, 0.25, 0.15, 0.1, 0.05, 0.03, 0.01, 0.006, 0.003, 0.001])


def rates(name: str, rows: int, reference_rows: int) -> dict[str, float]:
    """Share of windows over the level, by statistic; each reference has some windows of its own."""
    rng = np.random.default_rng(rows + reference_rows)
    exceeded: dict[str, list[bool]] = {}
    for _ in range(REFERENCES):
        values = DRAWS[name](rng, reference_rows)
        edges, deciles = quantile_edges(values)
        then, deviation = binned(values, edges), float(values.std())
        levels = {
            **{name: noise(rows, then.regrouped(deciles)) for name, (_, noise) in OF_COUNTS.items()},
            "ks_statistic": kolmogorov_smirnov_noise(rows, then.counts),
            "wasserstein_distance": wasserstein_noise(rows, then, edges, deviation),
            "mean_shift_sigmas": mean_shift_noise(rows, reference_rows, deviation),
        }
        stack = NumericSummary.fold(
            edges, 0.0, DRAWS[name](rng, WINDOWS * rows), np.repeat(np.arange(WINDOWS), rows), WINDOWS
        )
        for window in range(WINDOWS):
            now = stack[window]
            counts = now.regrouped(deciles), then.regrouped(deciles)
            found = {
                **{name: statistic(*counts) for name, (statistic, _) in OF_COUNTS.items()},
                "ks_statistic": kolmogorov_smirnov(now.counts, then.counts),
                "wasserstein_distance": wasserstein_distance(now, then, edges, deviation),
                "mean_shift_sigmas": mean_shift(now, then, deviation),
            }
            for statistic, value in found.items():
                level = levels[statistic]
                assert value is not None
                assert level is not None
                exceeded.setdefault(statistic, []).append(value > level)
    return {statistic: float(np.mean(windows)) for statistic, windows in exceeded.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "reference_rows"), [(200, 10_000), (1000, 10_000), (10_000, 20_000)])
@pytest.mark.parametrize("name", DRAWS)
def test_numbers(name: str, rows: int, reference_rows: int) -> None:
    found = rates(name, rows, reference_rows)
    assert all(rate <= MOST for rate in found.values()), found
    if name in ("zero-inflated", "heavy ties"):
        del found["ks_statistic"]  # its level is an upper bound
    assert all(rate >= LEAST for rate in found.values()), found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("categories", "rows", "reference_rows"),
    [
        (10, 200, 10_000),
        (10, 1000, 1000),
        (10, 10_000, 10_000),
        (300, 200, 1000),
        (300, 1000, 1000),
    ],
)
def test_categories(categories: int, rows: int, reference_rows: int) -> None:
    rng = np.random.default_rng(rows + reference_rows + categories)
    shares = TEN_UNEVEN if categories == 10 else rng.dirichlet(np.full(categories, 0.3))
    exceeded: dict[str, list[bool]] = {statistic: [] for statistic in OF_COUNTS}
    for _ in range(500):
        reference, current = rng.multinomial(reference_rows, shares), rng.multinomial(rows, shares)
        seen = reference > 0
        # As the exporter counts them: the reference's categories, then all others together.
        then, now = np.append(reference[seen], 0.0), np.append(current[seen], float(current[~seen].sum()))
        for name, (statistic, noise) in OF_COUNTS.items():
            value, level = statistic(now, then), noise(rows, then)
            assert value is not None
            assert level is not None
            exceeded[name].append(value > level)
    found = {name: float(np.mean(windows)) for name, windows in exceeded.items()}
    if categories == 300:
        assert found.pop("psi") <= 0.05
    assert all(LEAST <= rate <= MOST for rate in found.values()), found


def test_with_many_rows_the_levels_are_those_of_chi_squared() -> None:
    rows, reference = 1e6, np.full(10, 2e5)
    level = stats.chi2.ppf(0.99, 9)
    spread = 1 / rows + 1 / reference.sum()
    assert psi_noise(rows, reference) == pytest.approx(level * spread, rel=1e-3)
    assert hellinger_noise(rows, reference) == pytest.approx(np.sqrt(level * spread / 8), rel=1e-3)
    assert jensen_shannon_noise(rows, reference) == pytest.approx(
        np.sqrt(level * spread / (8 * np.log(2))), rel=1e-3
    )
    assert cramers_v_noise(rows, reference) == pytest.approx(
        np.sqrt(level / (rows + reference.sum())), rel=1e-3
    )


def test_the_level_of_two_values_is_that_of_a_proportion() -> None:
    rows, reference = 1e6, np.array([7e5, 3e5])
    exact = stats.norm.ppf(0.995) * np.sqrt(0.21 * (1 / rows + 1 / 1e6))
    assert kolmogorov_smirnov_noise(rows, reference) == pytest.approx(exact, rel=1e-4)


def test_the_level_of_ks_is_kolmogorovs_where_values_do_not_repeat() -> None:
    level = kolmogorov_smirnov_noise(1e6, np.full(200, 1e4))
    assert level == pytest.approx(stats.kstwobign.isf(0.01) * np.sqrt(1.5e-6), rel=1e-3)


def test_constants_and_nothing() -> None:
    constant = np.array([0.0, 500.0, 0.0])
    for _, noise in OF_COUNTS.values():
        assert noise(100, constant) == 0.0
        assert noise(0, constant) is None
        assert noise(100, np.zeros(3)) is None
    assert kolmogorov_smirnov_noise(100, constant) == 0.0
    assert kolmogorov_smirnov_noise(0, constant) is None
    assert kolmogorov_smirnov_noise(5, np.zeros(4)) is None
    edges, _ = quantile_edges(np.full(500, 3.0))
    then = binned(np.full(500, 3.0), edges)
    assert wasserstein_noise(100, then, edges, 0.0) == 0.0
    assert wasserstein_noise(0, then, edges, 0.0) is None
    assert wasserstein_noise(100, empty_of(NumericSummary, edges), edges, 0.0) is None
    assert mean_shift_noise(100, 500, 0.0) is None
    assert mean_shift_noise(0, 500, 1.0) is None


@pytest.mark.parametrize("rows", [1, 2, 50, 10**7])
@pytest.mark.parametrize(
    "reference",
    [np.ones(2), np.ones(10_000), np.array([1e9, 1.0, 0.0]), np.array([0.0, 3.0, 0.0, 1e5])],
    ids=["two rows", "10,000 categories of one row", "one in a billion", "empty bins"],
)
def test_levels_are_finite_whatever_the_counts(rows: int, reference: Floats) -> None:
    for name, (_, noise) in OF_COUNTS.items():
        level = noise(rows, reference)
        assert level is not None
        assert 0 <= level < 20
        assert name == "psi" or level <= 1
    assert 0 < (kolmogorov_smirnov_noise(rows, reference) or 0) < 2
