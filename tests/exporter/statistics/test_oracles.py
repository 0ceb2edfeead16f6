"""Every statistic against an independent oracle, within the bound that its docstring publishes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from exporter.statistics import confusion, probability, ranking_quality
from exporter.statistics.divergences import population_stability_index
from exporter.statistics.hashed_counts import top_value_ratio
from exporter.statistics.kolmogorov_smirnov import kolmogorov_smirnov
from exporter.statistics.quantiles import duration_quantile
from exporter.summary.hashed import RepetitionSummary
from exporter.summary.numeric import DurationSummary, NumericSummary
from exporter.summary.outcomes import OutcomeSummary
from tests.support.bounds import auc_roc_bound, kolmogorov_smirnov_bound
from tests.support.references import quantile_edges
from tests.support.summaries import empty_of


def group(rows: int) -> np.ndarray:
    return np.zeros(rows, dtype=np.intp)


def binned(values: np.ndarray, edges: np.ndarray) -> NumericSummary:
    return NumericSummary.fold(edges, 0.0, values, group(len(values)), 1)[0]


def outcomes(scores: np.ndarray, labels: np.ndarray) -> OutcomeSummary:
    predicted = (scores >= 0.5).astype(np.intp)
    return OutcomeSummary.fold(scores, predicted, labels.astype(np.intp), group(len(scores)), 1)[0]


def plain_psi(current: np.ndarray, reference: np.ndarray) -> float:
    """Ten quantile bins of the reference, the outer ones open; written out with numpy alone."""
    inner = np.unique(np.quantile(reference, np.linspace(0.1, 0.9, 9)))
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    total = 0.0
    for low, high in pairwise(edges):
        p = max(np.mean((current > low) & (current <= high)), 1e-4)
        q = max(np.mean((reference > low) & (reference <= high)), 1e-4)
        total += (p - q) * np.log(p / q)
    return float(total)


RNG = np.random.default_rng(20260110)
SAMPLES = {
    "no drift": (RNG.normal(size=5000), RNG.normal(size=20_000)),
    "half a sigma": (RNG.normal(0.5, size=5000), RNG.normal(size=20_000)),
    "one enormous outlier": (
        np.append(RNG.normal(0.5, size=5000), 1e6),
        np.append(RNG.normal(size=20_000), -1e9),
    ),
    "zero-inflated": (
        RNG.exponential(size=3000) * (RNG.random(3000) < 0.4),
        RNG.exponential(size=9000) * (RNG.random(9000) < 0.5),
    ),
    "whole numbers": (RNG.poisson(4, 3000).astype(float), RNG.poisson(3, 9000).astype(float)),
    "two values": ((RNG.random(3000) < 0.3).astype(float), (RNG.random(9000) < 0.1).astype(float)),
    "heavy tails": (RNG.standard_cauchy(3000), RNG.standard_cauchy(9000)),
    "tiny reference": (RNG.normal(size=400), RNG.normal(size=30)),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_psi_and_ks_of_numbers(name: str) -> None:
    current, reference = SAMPLES[name]
    edges, deciles = quantile_edges(reference)
    now, then = binned(current, edges), binned(reference, edges)
    psi = population_stability_index(now.regrouped(deciles), then.regrouped(deciles))
    assert psi == pytest.approx(plain_psi(current, reference), abs=1e-12)
    exact = stats.ks_2samp(current, reference).statistic
    measured = kolmogorov_smirnov(now.counts, then.counts)
    bound = kolmogorov_smirnov_bound(now.counts, then.counts)
    assert measured is not None
    assert measured <= exact + 1e-12
    assert exact <= measured + bound + 1e-12
    if len(reference) > 200 and name not in ("two values", "whole numbers", "zero-inflated"):
        assert bound <= 0.0051


def test_ks_is_exact_where_the_reference_has_few_values() -> None:
    current, reference = SAMPLES["whole numbers"]
    edges, _ = quantile_edges(reference)
    exact = stats.ks_2samp(current, reference).statistic
    assert kolmogorov_smirnov(
        binned(current, edges).counts, binned(reference, edges).counts
    ) == pytest.approx(exact, abs=0.005)


@pytest.mark.parametrize("moved", [-1.0, 1.0])
def test_leaving_a_constant_reference_is_seen_either_way(moved: float) -> None:
    edges, deciles = quantile_edges(np.full(1000, 5.0))
    then, now = binned(np.full(1000, 5.0), edges), binned(np.full(1000, 5.0 + moved), edges)
    psi = population_stability_index(now.regrouped(deciles), then.regrouped(deciles))
    assert psi is not None
    assert psi > 5
    assert kolmogorov_smirnov(now.counts, then.counts) == 1.0


def test_an_outlier_does_not_hide_a_shift() -> None:
    current, reference = SAMPLES["one enormous outlier"]
    edges, deciles = quantile_edges(reference)
    psi = population_stability_index(
        binned(current, edges).regrouped(deciles), binned(reference, edges).regrouped(deciles)
    )
    assert psi is not None
    assert psi > 0.2


def test_psi_without_drift_has_its_published_mean() -> None:
    rng = np.random.default_rng(5)
    values = []
    for _ in range(300):
        reference, current = rng.normal(size=2000), rng.normal(size=500)
        edges, deciles = quantile_edges(reference)
        psi = population_stability_index(
            binned(current, edges).regrouped(deciles), binned(reference, edges).regrouped(deciles)
        )
        assert psi is not None
        values.append(psi)
    assert np.mean(values) == pytest.approx(9 * (1 / 500 + 1 / 2000), rel=0.1)


def test_empty_sides_have_no_drift_statistic() -> None:
    nothing, something = np.zeros(3), np.ones(3)
    assert population_stability_index(nothing, something) is None
    assert population_stability_index(something, nothing) is None
    assert kolmogorov_smirnov(nothing, something) is None


def crowded(rows: int, positives: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rare positives with scores crowded near 0."""
    rng = np.random.default_rng(seed)
    labels = rng.random(rows) < positives
    scores = np.where(labels, rng.beta(1, 200, rows), rng.beta(0.5, 2000, rows))
    return scores, labels


def logistic(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = 1 / (1 + np.exp(-rng.normal(size=rows) * 2))
    return scores, rng.random(rows) < scores


LABELLED = {
    "calibrated": logistic(20_000, 1),
    "small": logistic(300, 2),
    "rare, near 0": crowded(200_000, 0.001, 3),
    "rare, near 0, again": crowded(200_000, 0.001, 4),
    "rare, log-normal": (
        np.clip(
            np.where(
                np.arange(200_000) % 1000 == 0, RNG.lognormal(-6, 1, 200_000), RNG.lognormal(-8, 1, 200_000)
            ),
            0,
            1,
        ),
        np.arange(200_000) % 1000 == 0,
    ),
    "near 1": (1 - crowded(50_000, 0.01, 5)[0], ~crowded(50_000, 0.01, 5)[1]),
    "four leaves": (
        np.choose(np.arange(5000) % 4, [0.05, 0.2, 0.21, 0.9]),
        np.random.default_rng(6).random(5000) < np.choose(np.arange(5000) % 4, [0.02, 0.1, 0.4, 0.8]),
    ),
    "rounded to tens": (np.round(logistic(2000, 7)[0], 1), logistic(2000, 7)[1]),
    "one score": (np.full(500, 0.25), np.arange(500) % 5 == 0),
    "ends": (np.tile([0.0, 1.0, 0.5, 1e-300], 100), np.tile([False, True, True, False, True], 80)),
}


@pytest.mark.parametrize("name", LABELLED)
def test_outcomes_agree_with_scikit_learn(name: str) -> None:
    scores, labels = LABELLED[name]
    summary = outcomes(scores, labels)
    auc = ranking_quality.auc_roc(summary)
    exact = metrics.roc_auc_score(labels, scores)
    assert auc == pytest.approx(exact, abs=0.001)
    assert abs((auc or 0) - exact) <= auc_roc_bound(summary) + 1e-12
    assert ranking_quality.average_precision(summary) == pytest.approx(
        metrics.average_precision_score(labels, scores), abs=0.003
    )
    predicted = scores >= 0.5
    assert confusion.accuracy(summary) == pytest.approx(metrics.accuracy_score(labels, predicted))
    if predicted.any():
        assert confusion.precision(summary) == pytest.approx(metrics.precision_score(labels, predicted))
    else:
        assert confusion.precision(summary) is None
    assert confusion.f1(summary) == pytest.approx(metrics.f1_score(labels, predicted, zero_division=np.nan))
    assert confusion.recall(summary) == pytest.approx(metrics.recall_score(labels, predicted))
    assert probability.log_loss(summary) == pytest.approx(metrics.log_loss(labels, scores), abs=1e-9)
    assert probability.brier_score(summary) == pytest.approx(
        metrics.brier_score_loss(labels, scores), abs=1e-12
    )
    assert probability.expected_calibration_error(summary) == pytest.approx(
        plain_ece(scores, labels), abs=1e-12
    )


def plain_ece(scores: np.ndarray, labels: np.ndarray) -> float:
    edges = np.linspace(0, 1, 16)
    bins = np.clip(np.digitize(scores, edges, right=True) - 1, 0, 14)
    return float(
        sum(
            abs(scores[bins == bin_].mean() - labels[bins == bin_].mean()) * np.mean(bins == bin_)
            for bin_ in np.unique(bins)
        )
    )


def plain_reliability(scores: np.ndarray, labels: np.ndarray) -> dict[str, tuple[float, float]]:
    """Upper end of each occupied bin -> its mean score and its share of positives."""
    bins = np.clip(np.digitize(scores, np.linspace(0, 1, 16), right=True) - 1, 0, 14)
    return {
        f"{(bin_ + 1) / 15:.3f}": (float(scores[bins == bin_].mean()), float(labels[bins == bin_].mean()))
        for bin_ in np.unique(bins)
    }


def test_a_single_class_has_no_auc() -> None:
    scores = np.linspace(0, 1, 50)
    assert ranking_quality.auc_roc(outcomes(scores, np.ones(50))) is None
    assert ranking_quality.auc_roc(outcomes(scores, np.zeros(50))) is None
    assert ranking_quality.average_precision(outcomes(scores, np.zeros(50))) is None
    assert confusion.recall(outcomes(scores, np.zeros(50))) is None
    assert confusion.accuracy(empty_of(OutcomeSummary)) is None
    assert probability.log_loss(empty_of(OutcomeSummary)) is None


@settings(max_examples=60)
@given(
    labels=st.lists(st.booleans(), min_size=2, max_size=60).filter(lambda labels: len(set(labels)) == 2),
    data=st.data(),
)
def test_auc_stays_within_its_bound(labels: list[bool], data: st.DataObject) -> None:
    scores = np.array(data.draw(st.lists(st.floats(0, 1), min_size=len(labels), max_size=len(labels))))
    summary = outcomes(scores, np.array(labels))
    exact = metrics.roc_auc_score(labels, scores)
    assert abs((ranking_quality.auc_roc(summary) or 0) - exact) <= auc_roc_bound(summary) + 1e-9


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95, 0.99, 1.0])
def test_duration_quantiles_are_within_one_percent(quantile: float) -> None:
    seconds = np.random.default_rng(8).lognormal(-3, 2, 5000)
    summary = DurationSummary.fold(seconds, group(5000), 1)[0]
    exact = np.quantile(seconds, quantile, method="inverted_cdf")
    assert duration_quantile(summary, quantile) == pytest.approx(exact, rel=0.01)


def test_duration_quantile_of_nothing_is_not_defined() -> None:
    assert duration_quantile(empty_of(DurationSummary), 0.5) is None


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.9, 0.999, 1.0])
def test_top_value_ratio(share: float) -> None:
    rng = np.random.default_rng(9)
    values = np.where(rng.random(20_000) < share, 0.125, rng.random(20_000))
    exact = np.unique(values, return_counts=True)[1].max() / len(values)
    ratio = top_value_ratio(RepetitionSummary.fold(values, group(len(values)), 1)[0])
    assert ratio == pytest.approx(exact, abs=0.003)
    assert (ratio == 1.0) == (share == 1.0)


def test_top_value_ratio_of_nothing_is_not_defined() -> None:
    assert top_value_ratio(empty_of(RepetitionSummary)) is None
