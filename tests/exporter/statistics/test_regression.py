"""Outcomes of predicted numbers against scikit-learn, within the bounds that the docstrings publish."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from exporter.statistics import regression
from exporter.summary.regression import RegressionOutcomeSummary
from tests.support.bounds import r_squared_bound
from tests.support.summaries import empty_of

STATISTICS = (
    regression.mean_absolute_error,
    regression.mean_error,
    regression.root_mean_squared_error,
    regression.mean_absolute_percentage_error,
    regression.r_squared,
    r_squared_bound,
)


def fold(
    predicted: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None, pivot: float = 0.0
) -> RegressionOutcomeSummary:
    groups = np.zeros(len(labels), dtype=np.intp)
    return RegressionOutcomeSummary.fold(pivot, predicted, labels, groups, 1, weights=weights)[0]


def diabetes() -> tuple[np.ndarray, np.ndarray, float]:
    data = load_diabetes()
    return LinearRegression().fit(data.data, data.target).predict(data.data), data.target, 152.0


RNG = np.random.default_rng(21)
NORMAL = RNG.normal(size=5000)
SAMPLES: dict[str, tuple[np.ndarray, np.ndarray, float]] = {
    "diabetes": diabetes(),
    "no pivot": (*diabetes()[:2], 0.0),
    "large mean": (1e9 + NORMAL + RNG.normal(size=5000), 1e9 + NORMAL, 1e9 + 0.3),
    "mean of 1,000 deviations": (1000 + NORMAL * 0.9, 1000 + NORMAL, 0.0),
    "one enormous outlier": (NORMAL, np.append(NORMAL[1:], 1e9), 0.0),
    "zeros": (RNG.poisson(1, 2000) + 0.5, RNG.poisson(1, 2000).astype(float), 1.0),
    "two values": (RNG.random(500), np.arange(500) % 2.0, 0.5),
    "perfect": (NORMAL, NORMAL, 0.0),
    "worse than the mean": (-NORMAL, NORMAL, 0.0),
    "two rows": (np.array([1.0, 2.0]), np.array([3.0, -4.0]), 0.0),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_numbers_agree_with_scikit_learn(name: str, weighted: bool) -> None:
    predicted, labels, pivot = SAMPLES[name]
    weights = np.where(np.arange(len(labels)) % 3, 1.0, 1 / 0.3) if weighted else np.ones(len(labels))
    summary = fold(predicted, labels, weights if weighted else None, pivot)
    assert summary.labelled == summary.scored == len(labels)
    assert summary.labelled_weight == pytest.approx(weights.sum())
    assert regression.mean_absolute_error(summary) == pytest.approx(
        metrics.mean_absolute_error(labels, predicted, sample_weight=weights)
    )
    assert regression.mean_error(summary) == pytest.approx(
        np.average(predicted - labels, weights=weights), rel=1e-9, abs=1e-12
    )
    assert regression.root_mean_squared_error(summary) == pytest.approx(
        np.sqrt(metrics.mean_squared_error(labels, predicted, sample_weight=weights))
    )
    some = labels != 0
    assert summary.zero_labels == np.count_nonzero(~some)
    assert regression.mean_absolute_percentage_error(summary) == pytest.approx(
        metrics.mean_absolute_percentage_error(labels[some], predicted[some], sample_weight=weights[some])
    )
    value, bound = regression.r_squared(summary), r_squared_bound(summary)
    assert value is not None
    assert bound is not None
    assert abs(value - metrics.r2_score(labels, predicted, sample_weight=weights)) <= bound + 1e-12
    assert bound <= 1e-4


@pytest.mark.parametrize("label", [0.0, 5.0, 0.1])
def test_constant_labels_have_no_r_squared(label: float) -> None:
    """Three times 0.1 is not 0.3: rounding alone must not pass for spread."""
    summary = fold(RNG.normal(size=1000), np.full(1000, label), RNG.uniform(1, 9, 1000), pivot=-3.7)
    assert regression.r_squared(summary) is None
    assert r_squared_bound(summary) is None
    assert regression.mean_absolute_error(summary) is not None
    assert (regression.mean_absolute_percentage_error(summary) is None) == (label == 0)


def test_r_squared_is_withheld_where_rounding_has_eaten_the_spread() -> None:
    labels = 1e9 + NORMAL
    summary = fold(labels + 0.5, labels)
    assert regression.r_squared(summary) is None
    assert regression.root_mean_squared_error(summary) == pytest.approx(0.5)
    assert regression.r_squared(fold(labels + 0.5, labels, pivot=1e9)) == pytest.approx(
        metrics.r2_score(labels, labels + 0.5)
    )


@pytest.mark.parametrize("power", range(12))
def test_r_squared_never_leaves_its_bound_as_the_pivot_leaves_the_labels(power: int) -> None:
    labels = 10.0**power + NORMAL
    predicted = labels + 0.5 * NORMAL[::-1]
    summary = fold(predicted, labels)
    value, bound = regression.r_squared(summary), r_squared_bound(summary)
    assert (value is None) == (bound is None)
    assert (value is None) == (power >= 5)
    if value is not None and bound is not None:
        assert abs(value - metrics.r2_score(labels, predicted)) <= bound


def test_what_is_not_finite_is_labelled_and_no_more() -> None:
    predicted = np.array([1.0, np.nan, np.inf, 2.0])
    labels = np.array([2.0, 1.0, 1.0, 4.0])
    summary = fold(predicted, labels, np.array([1.0, 2.0, 4.0, 8.0]))
    assert [summary.labelled, summary.scored] == [4, 2]
    assert [summary.labelled_weight, summary.scored_weight] == [15, 9]
    assert regression.mean_error(summary) == pytest.approx((-1 - 16) / 9)


@pytest.mark.parametrize("rows", [0, 3])
def test_nothing_known_is_nothing_said(rows: int) -> None:
    for statistic in STATISTICS:
        assert statistic(fold(np.full(rows, np.nan), np.zeros(rows))) is None
    assert fold(np.empty(0), np.empty(0)) == empty_of(RegressionOutcomeSummary)


def test_one_row_has_an_error_and_no_spread() -> None:
    summary = fold(np.array([3.0]), np.array([4.0]))
    assert regression.mean_absolute_percentage_error(summary) == 0.25
    assert regression.r_squared(summary) is None


def test_beyond_the_floats_is_withheld() -> None:
    """No warning and no infinity, alone or merged with an infinity of the other sign."""
    large = np.array([1e308, -1e308, 1e200])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = fold(large, -large, np.full(3, 10.0))
        opposite = fold(-large, large) + summary
        tiny = fold(np.array([1e10, 1.0]), np.array([1e-300, 1e-320]))
    for beyond in (summary, opposite):
        assert [statistic(beyond) for statistic in STATISTICS[:3]] == [None] * 3
        assert regression.r_squared(beyond) is None
    assert regression.mean_absolute_percentage_error(tiny) is None
    assert regression.mean_absolute_error(tiny) == pytest.approx((1e10 + 1) / 2)
