"""Drift of many features at once: honest alarms, and real shifts found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.alarms import stream
from exporter.features.binning import NumericBinning
from exporter.measure.drift import Pair
from exporter.references.reference import ViewReference
from exporter.statistics.false_discovery import combined_p_value, data_set_p_value, drifted
from exporter.statistics.normal_scores import normal_scores_p_value
from exporter.summary.numeric import NumericSummary
from tests.support.references import quantile_edges


def normal_scores(current: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, float]:
    """Each value's score, and the p-value, from the values themselves."""
    together = np.concatenate([current, reference])
    scores = stats.norm.ppf(stats.rankdata(together) / (len(together) + 1))
    deviation = np.sqrt(len(current) * len(reference) / (len(together) - 1) * scores.var() / len(together))
    statistic = (
        (scores[: len(current)].sum() - len(current) * scores.mean()) / deviation / np.sqrt(len(together))
    )
    return scores, float(2 * stats.norm.sf(abs(statistic)))


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0])
def test_normal_scores_agree_with_their_formula(shift: float) -> None:
    rng = np.random.default_rng(3)
    current, reference = rng.poisson(4 + shift, 300), rng.poisson(4, 900)
    counts = [np.bincount(sample, minlength=30).astype(float) for sample in (current, reference)]
    _, expected = normal_scores(current, reference)
    assert normal_scores_p_value(*counts) == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
def test_normal_scores_agree_with_a_permutation_test() -> None:
    rng = np.random.default_rng(4)
    current, reference = rng.integers(0, 40, 60) + 4, rng.integers(0, 40, 200)
    scores, _ = normal_scores(current, reference)
    exact = stats.permutation_test(
        (scores[:60], scores[60:]), lambda a, b: a.mean() - b.mean(), n_resamples=20_000, rng=rng
    ).pvalue
    counts = [np.bincount(sample, minlength=44).astype(float) for sample in (current, reference)]
    assert normal_scores_p_value(*counts) == pytest.approx(exact, abs=0.01)


def test_normal_scores_of_one_bin_or_nothing_are_not_defined() -> None:
    assert normal_scores_p_value(np.array([5.0]), np.array([9.0])) is None
    assert normal_scores_p_value(np.array([0.0, 5.0]), np.array([0.0, 9.0])) is None
    assert normal_scores_p_value(np.zeros(3), np.ones(3)) is None


def test_cauchy_combination_agrees_with_scipy() -> None:
    assert combined_p_value(0.3) == pytest.approx(0.3)
    weighted = np.tan((0.5 - np.array([0.01, 0.4])) * np.pi).mean()
    assert combined_p_value(0.01, 0.4) == pytest.approx(stats.cauchy.sf(weighted))

    assert combined_p_value(0.01, 0.4, weights=(0.8, 0.2)) == pytest.approx(
        stats.cauchy.sf(np.average(np.tan((0.5 - np.array([0.01, 0.4])) * np.pi), weights=(0.8, 0.2)))
    )


def test_the_gate_has_the_level_that_it_says() -> None:
    """Against the distribution as it is built: so many p-values below 0.1, each of which is uniform there."""
    rng = np.random.default_rng(8)
    drawn = rng.random((10_000, 20))
    found = np.array([data_set_p_value(row) for row in drawn])
    for level in (0.001, 0.01, 0.1, 0.5):
        assert np.mean(found <= level) == pytest.approx(level, abs=4 * np.sqrt(level / len(drawn)))
    total = np.log(0.1 / np.array([0.01, 0.05])).sum()
    exact = sum(stats.binom.pmf(k, 3, 0.1) * stats.gamma.sf(total, k) for k in (1, 2, 3))
    assert data_set_p_value(np.array([0.01, 0.7, 0.05])) == pytest.approx(exact)
    assert data_set_p_value(np.array([0.003])) == pytest.approx(0.003)
    assert data_set_p_value(np.array([0.1, 1.0])) == 1.0
    assert data_set_p_value(np.zeros(1000)) < 1e-300


def test_behind_the_gate_it_is_benjamini_and_hochberg() -> None:
    p_values = {f"f{i}": p for i, p in enumerate([1e-12, 1e-6, 0.01, 0.03, 0.2, 0.5, 0.9])}
    adjusted = stats.false_discovery_control(list(p_values.values()))
    expected = {name for name, value in zip(p_values, adjusted, strict=True) if value <= 0.3}
    assert drifted(p_values) == expected
    assert drifted({"a": 0.001, "b": 0.5}) == set()
    assert drifted({}) == set()


def test_one_feature_beyond_doubt_is_named_whatever_it_depends_on() -> None:
    """A constant column of 32, whose evidence counts as that of an eighth of a feature."""
    p_values = {f"f{i}": 0.5 for i in range(31)} | {"constant": 1e-15}
    assert drifted(p_values, dependence={"constant": 8.0}) == {"constant"}
    assert drifted(p_values | {"constant": 1e-6}, dependence={"constant": 8.0}) == set()


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "reference_rows"), [(200, 10_000), (1000, 1000)])
def test_drift_free_windows_ring_at_most_once_in_a_year(rows: int, reference_rows: int) -> None:
    rings, _ = stream(np.random.default_rng(rows + reference_rows), rows, reference_rows, 365, 0)
    assert rings <= 1


@pytest.mark.parametrize(
    ("rows", "reference_rows", "least"), [(200, 10_000, 45), (1000, 1000, 60), (1000, 10_000, 60)]
)
def test_four_features_that_moved_are_found(rows: int, reference_rows: int, least: int) -> None:
    assert stream(np.random.default_rng(7), rows, reference_rows, 0, 60)[1] >= least


def test_a_change_of_shape_alone_is_found() -> None:
    rng = np.random.default_rng(9)
    past = rng.normal(size=10_000)
    edges, deciles = quantile_edges(past)
    bins = ViewReference(NumericBinning(edges, 0.0), folded(edges, past), deciles)
    wider, same = folded(edges, rng.normal(size=1000) * 1.5), folded(edges, rng.normal(size=1000))
    found, none = (Pair(current, bins).p_value for current in (wider, same))
    assert found is not None
    assert none is not None
    assert found < 1e-4 < none


def folded(edges: np.ndarray, values: np.ndarray) -> NumericSummary:
    return NumericSummary.fold(edges, 0.0, values, np.zeros(len(values), dtype=np.intp), 1)[0]
