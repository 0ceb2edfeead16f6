"""Features together: a changed correlation shows, and every figure agrees with scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg
from sklearn import datasets
from sklearn.decomposition import PCA

from exporter.statistics.divergences import population_stability_index
from exporter.statistics.multivariate import (
    EXPLAINED_VARIANCE,
    frechet_distance,
    reconstruction_error,
    reconstruction_error_ratio,
)
from exporter.summary.second_moments import CLIP, SecondMomentsSummary
from tests.exporter.statistics.test_oracles import binned, group
from tests.support.references import quantile_edges

RNG = np.random.default_rng(20260301)
LOADERS = {
    "breast cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
    "iris": datasets.load_iris,
}


def pair(current: np.ndarray, reference: np.ndarray) -> tuple[SecondMomentsSummary, SecondMomentsSummary]:
    means, deviations = reference.mean(axis=0), reference.std(axis=0)
    now, then = (
        SecondMomentsSummary.fold(means, deviations, sample.T, group(len(sample)), 1)[0]
        for sample in (current, reference)
    )
    return now, then


def standardised(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    deviations = np.where(reference.std(axis=0) > 0, reference.std(axis=0), np.inf)
    z = np.clip((values - reference.mean(axis=0)) / deviations, -CLIP, CLIP)
    return np.where(np.isfinite(values), z, 0.0)


def halves(name: str) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(LOADERS[name](return_X_y=True)[0], dtype=float)
    order = np.random.default_rng(4).permutation(len(values))
    return values[order[: len(values) // 3]], values[order[len(values) // 3 :]]


ADVERSARIAL = {
    "a constant feature": (RNG.normal(size=(300, 3)) * [1, 0, 2], RNG.normal(size=(900, 3)) * [1, 0, 2]),
    "a copied feature": (
        np.repeat(RNG.normal(size=(300, 2)), 2, axis=1),
        np.repeat(RNG.normal(size=(900, 2)), 2, axis=1),
    ),
    "one row": (RNG.normal(size=(1, 4)), RNG.normal(size=(900, 4))),
    "two values": (RNG.integers(0, 2, (300, 4)) * 1.0, RNG.integers(0, 2, (900, 4)) * 1.0),
    "fewer rows than features": (RNG.normal(size=(5, 12)), RNG.normal(size=(8, 12))),
    "far away": (RNG.normal(7, 0.1, size=(300, 4)), RNG.normal(size=(900, 4))),
    "large offsets": (1e9 + RNG.normal(size=(300, 3)), 1e9 + RNG.normal(size=(900, 3))),
}


def sample(name: str) -> tuple[np.ndarray, np.ndarray]:
    return halves(name) if name in LOADERS else ADVERSARIAL[name]


@pytest.mark.parametrize("name", [*LOADERS, *ADVERSARIAL])
def test_reconstruction_error_is_that_of_principal_components(name: str) -> None:
    current, reference = sample(name)
    now, then = pair(current, reference)
    z, z_reference = standardised(current, reference), standardised(reference, reference)
    components = PCA(n_components=EXPLAINED_VARIANCE, svd_solver="full").fit(z_reference)

    def plain(rows: np.ndarray) -> float:
        rebuilt = components.inverse_transform(components.transform(rows))
        return float(np.mean(np.sum((rows - rebuilt) ** 2, axis=1)))

    tolerance = 1e-9 * (np.sum(z_reference.var(axis=0)) + np.mean(np.sum(z**2, axis=1)))
    assert reconstruction_error(now, then) == pytest.approx(plain(z), abs=tolerance)
    assert reconstruction_error(then, then) == pytest.approx(plain(z_reference), abs=tolerance)
    ratio = reconstruction_error_ratio(now, then)
    if plain(z_reference) > 1e-6:
        assert ratio == pytest.approx(plain(z) / plain(z_reference), rel=1e-6)
    assert reconstruction_error_ratio(then, then) in (None, 1.0)


@pytest.mark.parametrize("name", [*LOADERS, *ADVERSARIAL])
def test_frechet_distance_is_that_of_normal_distributions(name: str) -> None:
    current, reference = sample(name)
    now, then = pair(current, reference)
    z, z_reference = standardised(current, reference), standardised(reference, reference)
    one, other = (np.cov(rows, rowvar=False, bias=True) for rows in (z, z_reference))
    shift = z.mean(axis=0) - z_reference.mean(axis=0)
    # A ridge keeps sqrtm away from singular matrices, which it warns of; by so much the squares may differ.
    ridge = 1e-6 * np.eye(len(one))
    shared = linalg.sqrtm((one + ridge) @ (other + ridge)).real
    squared = shift @ shift + np.trace(one) + np.trace(other) - 2 * np.trace(shared)
    measured = frechet_distance(now, then)
    assert measured is not None
    scale = np.trace(one) + np.trace(other) + shift @ shift
    assert measured**2 == pytest.approx(squared, abs=2 * len(one) * np.sqrt(1e-6 * scale))
    assert measured == pytest.approx(frechet_distance(then, now), abs=1e-6 * np.sqrt(scale))
    assert frechet_distance(now, now) == pytest.approx(0.0, abs=1e-6 * np.sqrt(scale))


@pytest.mark.parametrize("rank", [0, 1, 3, 6])
def test_frechet_distance_of_commuting_covariances_of_any_rank(rank: int) -> None:
    rng = np.random.default_rng(rank)
    axes = linalg.qr(rng.normal(size=(6, 6)))[0]
    roots = np.zeros((2, 6))
    roots[0, :rank], roots[1, :4] = rng.uniform(0.1, 2, rank), rng.uniform(0.1, 2, 4)
    shift = rng.normal(size=6)
    # Twelve rows, ± along each axis, have exactly the covariance wanted.
    rows = [np.concatenate([axis := axes * root * np.sqrt(6), -axis], axis=1).T for root in roots]
    current, reference = (
        SecondMomentsSummary.fold(np.zeros(6), np.ones(6), part.T, group(12), 1)[0]
        for part in (rows[0] + shift, rows[1])
    )
    exact = np.sqrt(shift @ shift + np.sum((roots[0] - roots[1]) ** 2))
    assert frechet_distance(current, reference) == pytest.approx(exact, abs=1e-6)


def test_a_changed_correlation_shows_where_no_single_feature_moves() -> None:
    rng = np.random.default_rng(9)
    mixed = np.linalg.cholesky([[1.0, 0.9, 0.9], [0.9, 1.0, 0.9], [0.9, 0.9, 1.0]])
    reference = rng.normal(size=(20_000, 3)) @ mixed.T
    same = rng.normal(size=(5000, 3)) @ mixed.T
    # The same values of each feature, in another order.
    shuffled = np.column_stack([rng.permutation(column) for column in same.T])
    (calm, then), (now, _) = pair(same, reference), pair(shuffled, reference)
    for feature in range(3):
        edges, deciles = quantile_edges(reference[:, feature])
        counts = [binned(rows[:, feature], edges).regrouped(deciles) for rows in (shuffled, reference)]
        assert (population_stability_index(*counts) or 0) < 0.02
    calm_distance, distance = frechet_distance(calm, then), frechet_distance(now, then)
    assert calm_distance is not None
    assert distance is not None
    assert calm_distance < 0.05 < 0.5 < distance
    assert reconstruction_error_ratio(calm, then) == pytest.approx(1.0, abs=0.1)
    assert (reconstruction_error_ratio(now, then) or 0) > 5


def test_one_enormous_value_and_missing_values_do_not_own_the_covariance() -> None:
    reference = np.random.default_rng(1).normal(size=(5000, 3))
    current = reference[:1000].copy()
    current[0, 0] = 1e300
    current[1:50, 1] = np.nan
    current[50:60, 2] = [np.inf, -np.inf] * 5
    now, then = pair(current, reference)
    assert now.rows == 1000
    assert np.all(np.isfinite(now.vector()))
    assert np.diag(now.covariance)[0] < 1 + 2 * CLIP**2 / 1000
    assert np.allclose(now.mean, standardised(current, reference).mean(axis=0))
    assert (frechet_distance(now, then) or 9) < 0.2


def test_rows_without_a_value_are_not_counted() -> None:
    summary = SecondMomentsSummary.fold(
        np.zeros(2), np.ones(2), np.array([[np.nan, np.nan], [np.inf, 1.0]]), group(2), 1
    )[0]
    assert summary.rows == 1
    assert summary.sums.tolist() == [0.0, 1.0]


def test_nothing_is_guessed() -> None:
    reference = np.random.default_rng(1).normal(size=(500, 3))
    now, then = pair(np.full((50, 3), np.nan), reference)
    for statistic in (reconstruction_error_ratio, frechet_distance):
        assert statistic(now, then) is None
        assert statistic(then, now) is None
    constant, _ = pair(np.ones((50, 3)), np.ones((50, 3)))
    assert reconstruction_error_ratio(constant, constant) is None
    assert frechet_distance(constant, constant) == 0.0
    alone, _ = pair(reference[:, :1], reference[:, :1])
    assert reconstruction_error_ratio(alone, alone) is None
    wide, narrow = pair(reference[:, :1] * 2, reference[:, :1])
    assert frechet_distance(wide, narrow) == pytest.approx(np.hypot(reference[:, 0].mean(), 1.0), abs=1e-2)
