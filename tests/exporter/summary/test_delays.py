"""Accuracy by how long the label took."""

from __future__ import annotations

import numpy as np
import pytest

from exporter.summary.labels import DELAY_BOUNDS, AccuracyByDelaySummary
from tests.support.summaries import empty_of


def fold(
    delays: np.ndarray, quality: np.ndarray, weights: np.ndarray | None = None
) -> AccuracyByDelaySummary:
    return AccuracyByDelaySummary.fold(delays, quality, np.zeros(len(delays), dtype=np.intp), 1, weights)[0]


@pytest.mark.parametrize("weighted", [False, True])
def test_each_bucket_is_the_mean_of_its_rows(weighted: bool) -> None:
    rng = np.random.default_rng(41)
    delays = rng.lognormal(9, 4, 5000)
    right = rng.random(5000) < 0.7
    weights = np.where(right, 1.0, 4.0) if weighted else np.ones(5000)
    summary = fold(delays, right.astype(float), weights if weighted else None)
    low = -np.inf
    for bucket, high in enumerate(DELAY_BOUNDS):
        mine = (delays > low) & (delays <= high)
        assert summary.rows[bucket] == np.count_nonzero(mine) > 0
        assert summary.mean_quality[bucket] == pytest.approx(np.average(right[mine], weights=weights[mine]))
        low = high


def test_a_bound_belongs_to_the_bucket_that_it_ends() -> None:
    ends = np.array([*DELAY_BOUNDS[:-1]])
    assert fold(ends, np.ones(6)).rows.tolist() == [1, 1, 1, 1, 1, 1, 0]
    assert fold(np.nextafter(ends, np.inf), np.ones(6)).rows.tolist() == [0, 1, 1, 1, 1, 1, 1]


def test_early_labels_are_at_once_and_unknown_delays_nowhere() -> None:
    summary = fold(np.array([-5.0, 0.0, np.nan, 10.0]), np.array([1.0, 0.0, 1.0, np.nan]))
    assert summary.rows.tolist() == [2, 0, 0, 0, 0, 0, 0]
    means = summary.mean_quality
    assert means[0] == 0.5
    assert np.isnan(means[1:]).all()
    assert np.isnan(empty_of(AccuracyByDelaySummary).mean_quality).all()
