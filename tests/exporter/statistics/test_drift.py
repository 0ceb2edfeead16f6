"""The distances between two samples against scipy and plain formulas, within the bounds they publish."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from exporter.statistics.contingency import chi_squared, chi_squared_p_value, cramers_v
from exporter.statistics.divergences import hellinger_distance, jensen_shannon_distance
from exporter.statistics.kolmogorov_smirnov import kolmogorov_smirnov_p_value
from exporter.statistics.mean_shift import mean_shift
from exporter.statistics.quantiles import quantile
from exporter.statistics.wasserstein import wasserstein_distance
from tests.exporter.statistics.test_oracles import SAMPLES, binned
from tests.support.bounds import wasserstein_bound
from tests.support.references import quantile_edges

counts = st.lists(st.integers(0, 500), min_size=2, max_size=8)


@pytest.mark.parametrize("name", SAMPLES)
def test_wasserstein_distance(name: str) -> None:
    current, reference = SAMPLES[name]
    edges, _ = quantile_edges(reference)
    now, then = binned(current, edges), binned(reference, edges)
    deviation = float(reference.std())
    measured = wasserstein_distance(now, then, edges, deviation)
    exact = stats.wasserstein_distance(current, reference) / deviation
    assert measured is not None
    assert abs(measured - exact) <= wasserstein_bound(now, then, edges, deviation) + 1e-9


def test_wasserstein_distance_of_smooth_samples_is_close() -> None:
    current, reference = SAMPLES["half a sigma"]
    edges, _ = quantile_edges(reference)
    measured = wasserstein_distance(
        binned(current, edges), binned(reference, edges), edges, float(reference.std())
    )
    assert measured == pytest.approx(
        stats.wasserstein_distance(current, reference) / reference.std(), abs=0.01
    )


@pytest.mark.parametrize("shift", [-50.0, 50.0])
def test_wasserstein_distance_outside_the_reference_is_exact(shift: float) -> None:
    reference = np.random.default_rng(1).normal(size=2000)
    current = np.random.default_rng(2).normal(size=500) + shift
    edges, _ = quantile_edges(reference)
    measured = wasserstein_distance(binned(current, edges), binned(reference, edges), edges, 1.0)
    assert measured == pytest.approx(stats.wasserstein_distance(current, reference), abs=0.06)


def test_wasserstein_distance_of_a_constant_reference() -> None:
    edges, _ = quantile_edges(np.full(500, 3.0))
    now, then = binned(np.full(100, 5.0), edges), binned(np.full(500, 3.0), edges)
    assert wasserstein_distance(then, then, edges, 0.0) == pytest.approx(0.0, abs=1e-3)
    assert (wasserstein_distance(now, then, edges, 0.0) or 0) > 1e9


@given(counts, st.data())
def test_jensen_shannon_and_hellinger(p: list[int], data: st.DataObject) -> None:
    q = data.draw(st.lists(st.integers(0, 500), min_size=len(p), max_size=len(p)))
    current, reference = np.array(p, dtype=float), np.array(q, dtype=float)
    if not sum(p) or not sum(q):
        assert jensen_shannon_distance(current, reference) is None
        assert hellinger_distance(current, reference) is None
        return
    exact = jensenshannon(current, reference, base=2)
    assert jensen_shannon_distance(current, reference) == pytest.approx(exact, abs=1e-7)
    plain = np.sqrt(np.sum((np.sqrt(current / sum(p)) - np.sqrt(reference / sum(q))) ** 2) / 2)
    assert hellinger_distance(current, reference) == pytest.approx(plain, abs=1e-7)


def test_disjoint_samples_are_at_distance_one() -> None:
    one, other = np.array([5.0, 0.0]), np.array([0.0, 7.0])
    assert jensen_shannon_distance(one, other) == pytest.approx(1.0)
    assert hellinger_distance(one, other) == pytest.approx(1.0)
    assert cramers_v(one, other) == pytest.approx(1.0)


@given(counts, st.data())
def test_chi_squared_and_cramers_v(p: list[int], data: st.DataObject) -> None:
    q = data.draw(st.lists(st.integers(0, 500), min_size=len(p), max_size=len(p)))
    current, reference = np.array(p, dtype=float), np.array(q, dtype=float)
    table = np.stack([current, reference])
    table = table[:, table.sum(axis=0) > 0]
    if not sum(p) or not sum(q) or table.shape[1] < 2:
        assert chi_squared(current, reference) is None
        assert chi_squared_p_value(current, reference) is None
        assert cramers_v(current, reference) is None
        return
    exact = stats.chi2_contingency(table, correction=False)
    measured = chi_squared(current, reference)
    assert measured is not None
    assert measured[0] == pytest.approx(exact.statistic, rel=1e-9, abs=1e-9)
    assert measured[1] == exact.dof
    assert chi_squared_p_value(current, reference) == pytest.approx(exact.pvalue, abs=1e-9)
    association = stats.contingency.association(table.astype(int), method="cramer", correction=False)
    assert cramers_v(current, reference) == pytest.approx(association, abs=1e-7)


@pytest.mark.parametrize(("rows", "reference_rows"), [(50, 1000), (200, 200), (1000, 10_000)])
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3])
def test_ks_p_value(rows: int, reference_rows: int, shift: float) -> None:
    rng = np.random.default_rng(int(rows + 100 * shift))
    exact = stats.ks_2samp(rng.normal(shift, 1, rows), rng.normal(0, 1, reference_rows))
    assert kolmogorov_smirnov_p_value(exact.statistic, rows, reference_rows) == pytest.approx(
        exact.pvalue, abs=0.02
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_moments_are_exact_and_quantiles_within_a_bin(name: str) -> None:
    current, reference = SAMPLES[name]
    edges, _ = quantile_edges(reference)
    now, then = binned(current, edges), binned(reference, edges)
    assert now.mean == pytest.approx(current.mean(), rel=1e-9)
    assert now.variance == pytest.approx(current.var(), rel=1e-6)
    assert now.minimum == current.min()
    assert now.maximum == current.max()
    deviation = float(reference.std())
    exact = abs(current.mean() - reference.mean()) / deviation
    assert mean_shift(now, then, deviation) == pytest.approx(exact, rel=1e-6, abs=1e-9)
    widths = np.concatenate([[current.min()], edges, [current.max()]])
    for probability in (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0):
        measured = quantile(now, probability)
        value = np.quantile(current, probability, method="inverted_cdf")
        position = int(np.searchsorted(edges, value, side="left"))
        low, high = max(widths[position], current.min()), min(widths[position + 1], current.max())
        assert measured is not None
        assert low - 1e-9 <= measured <= high + 1e-9
