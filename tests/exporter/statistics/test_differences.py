"""Intervals of differences against published and independent figures, and how often they hold the truth."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from exporter.statistics.differences import (
    Interval,
    difference_interval,
    mean_difference_interval,
    share_difference_interval,
)
from exporter.statistics.quantiles import duration_quantile, duration_quantile_interval
from exporter.statistics.ranking_quality import auc_interval, auc_roc, auc_standard_error
from exporter.summary.numeric import DurationSummary
from exporter.summary.outcomes import OutcomeSummary


def outcomes(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> OutcomeSummary:
    predicted, group = (scores >= 0.5).astype(np.intp), np.zeros(len(scores), dtype=np.intp)
    return OutcomeSummary.fold(scores, predicted, labels.astype(np.intp), group, 1, weights)[0]


def durations(seconds: np.ndarray) -> DurationSummary:
    return DurationSummary.fold(seconds, np.zeros(len(seconds), dtype=np.intp), 1)[0]


# Newcombe (1998), table II, method 10: the difference is the first share minus the second.
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_shares_have_the_intervals_that_newcombe_published(
    first: tuple[int, int], second: tuple[int, int], expected: Interval
) -> None:
    assert share_difference_interval(*second, *first) == pytest.approx(expected, abs=1e-4)


def test_means_have_the_interval_of_welchs_test() -> None:
    rng = np.random.default_rng(20261130)
    old, new = rng.normal(3, 2, 40), rng.normal(3.5, 5, 25)
    found = mean_difference_interval(old.mean(), old.var(), len(old), new.mean(), new.var(), len(new))
    expected = stats.ttest_ind(new, old, equal_var=False).confidence_interval(0.95)
    assert found == pytest.approx((expected.low, expected.high))


def test_what_has_no_interval_has_none() -> None:
    assert share_difference_interval(0, 0, 1, 10) is None
    assert mean_difference_interval(1, 1, 1, 1, 1, 10) is None
    assert mean_difference_interval(1, 0, 10, 2, 0, 10) is None
    assert mean_difference_interval(1, math.inf, 10, 2, 1, 10) is None
    assert duration_quantile_interval(durations(np.empty(0)), 0.5) is None
    perfect = outcomes(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1]))
    assert auc_interval(perfect) is None
    assert auc_interval(outcomes(np.array([0.1, 0.9, 0.8]), np.array([0, 0, 1]))) is None
    assert auc_standard_error(outcomes(np.array([0.1, 0.2, 0.8]), np.array([0, 0, 0]))) is None


def test_delongs_error_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(20261130)
    labels = rng.integers(0, 2, 300)
    scores = np.round(np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0.01, 0.99), 2)
    positives, negatives = scores[labels == 1], scores[labels == 0]
    wins = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    # One row more of each class, which ranks half of the other rightly.
    by_positive, by_negative = np.append(wins.mean(axis=1), 0.5), np.append(wins.mean(axis=0), 0.5)
    expected = math.sqrt(by_positive.var(ddof=1) / len(positives) + by_negative.var(ddof=1) / len(negatives))
    summary = outcomes(scores, labels)
    assert auc_standard_error(summary) == pytest.approx(expected)
    # Rows that stand for ten predictions each are no more rows.
    weighted = outcomes(scores, labels, np.full(len(scores), 10.0))
    assert auc_standard_error(weighted) == pytest.approx(expected)
    found, area = auc_interval(summary), auc_roc(summary)
    assert found is not None
    assert area is not None
    half = stats.norm.ppf(0.975) * expected / (area * (1 - area))
    assert [math.log(end / (1 - end)) for end in found] == pytest.approx(
        [math.log(area / (1 - area)) - half, math.log(area / (1 - area)) + half]
    )


@pytest.mark.parametrize("quantile", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("rows", [3, 20, 200, 367, 368, 5000])
def test_a_quantiles_interval_lies_between_the_ranks_that_hold_it_in_95_of_100(
    quantile: float, rows: int
) -> None:
    """Observations far apart have a bin each, so that the ranks can be read from the interval."""
    seconds = np.exp(np.linspace(np.log(2e-5), np.log(1e7), rows))
    found = duration_quantile_interval(durations(seconds), quantile)
    assert found is not None
    # Of each rank: the chance that fewer observations than it lie below the quantile.
    below = stats.binom(rows, quantile).cdf(np.arange(rows))
    lower = max((rank for rank in range(1, rows + 1) if below[rank - 1] <= 0.025), default=None)
    upper = min((rank for rank in range(1, rows + 1) if below[rank - 1] >= 0.975), default=None)
    if lower is None:
        assert found[0] == 0
    else:
        assert found[0] == pytest.approx(seconds[lower - 1], rel=0.021)
        assert found[0] <= seconds[lower - 1]
    if upper is None:
        assert found[1] == math.inf
    else:
        assert found[1] == pytest.approx(seconds[upper - 1], rel=0.021)
        assert found[1] >= seconds[upper - 1]
    assert (found[1] == math.inf) == (quantile**rows > 0.025)


def test_a_side_without_an_end_has_none_in_the_difference() -> None:
    low, high = difference_interval(1.0, (0.5, math.inf), 2.0, (1.5, 2.5))
    assert low == -math.inf
    assert high == pytest.approx(1 + math.hypot(0.5, 0.5))


def _of_shares(rng: np.random.Generator) -> tuple[float, Interval | None]:
    return 0.03, share_difference_interval(rng.binomial(400, 0.02), 400, rng.binomial(600, 0.05), 600)


def _of_means(rng: np.random.Generator) -> tuple[float, Interval | None]:
    old, new = rng.beta(2, 5, 300), rng.beta(3, 5, 200)
    return 3 / 8 - 2 / 7, mean_difference_interval(
        old.mean(), old.var(), len(old), new.mean(), new.var(), len(new)
    )


def _of_quantiles(rng: np.random.Generator) -> tuple[float, Interval | None]:
    old, new = durations(rng.lognormal(-3, 0.5, 600)), durations(rng.lognormal(-2.8, 0.5, 500))
    values = duration_quantile(old, 0.95), duration_quantile(new, 0.95)
    own = duration_quantile_interval(old, 0.95), duration_quantile_interval(new, 0.95)
    at = math.exp(0.5 * stats.norm.ppf(0.95))
    assert values[0] is not None
    assert values[1] is not None
    assert own[0] is not None
    assert own[1] is not None
    return (math.exp(-2.8) - math.exp(-3)) * at, difference_interval(values[0], own[0], values[1], own[1])


def _of_areas(rng: np.random.Generator) -> tuple[float, Interval | None]:
    areas, own = [], []
    for shift in (1.0, 1.5):
        labels = rng.random(300) < 0.3
        summary = outcomes(stats.norm.cdf(rng.normal(shift * labels)), labels)
        areas.append(auc_roc(summary))
        own.append(auc_interval(summary))
    first, second = (float(stats.norm.cdf(shift / math.sqrt(2))) for shift in (1.0, 1.5))
    return second - first, difference_interval(areas[0], own[0], areas[1], own[1])  # type: ignore[arg-type]


@pytest.mark.parametrize("draw", [_of_shares, _of_means, _of_quantiles, _of_areas])
def test_intervals_hold_the_true_difference_in_about_95_of_100(
    draw: Callable[[np.random.Generator], tuple[float, Interval | None]],
) -> None:
    """Of 400 draws 380 are expected; fewer than 362 would be 4 standard deviations off. Bins make quantiles' wider."""
    rng, held = np.random.default_rng(7), 0
    for _ in range(400):
        truth, found = draw(rng)
        assert found is not None
        held += found[0] <= truth <= found[1]
    assert held >= 362
    # Half as wide an interval would hold it in 67 of 100: one that is always wide enough says nothing.
    assert held < 400
