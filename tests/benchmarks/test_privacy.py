"""Error of gauges over counts with noise: within the stated bound in 99 of 100 runs."""

from __future__ import annotations

import pytest

from benchmarks.privacy import run


@pytest.mark.parametrize("epsilon", [1.0, 4.0])
def test_error_is_within_the_bound(epsilon: float) -> None:
    runs = [run(20, 500, 10, epsilon, 10, seed) for seed in range(100)]
    assert sum(item.within for item in runs) >= 99
    assert all(item.ratio > 0 for item in runs)
