"""Differences of two independent samples, candidate minus baseline, with 95 % intervals."""

from __future__ import annotations

import math

from exporter.statistics.intervals import wilson_interval

Interval = tuple[float, float]
"""Low and high end; infinite where a sample bounds it on one side only."""


def difference_interval(
    baseline: float, of_baseline: Interval, candidate: float, of_candidate: Interval
) -> Interval:
    """Return the interval of ``candidate - baseline`` from each one's own 95 % interval.

    The method of variance estimates recovery: the distance from a value to an end of its interval stands for its error
    on that side, and the errors of two independent samples add up as squares. Source: Zou and Donner (2008). Of shares
    with Wilson's intervals it is Newcombe's hybrid score interval (1998, method 10). Ends may be infinite. Simulated:
    of 95 % quantiles of 600 and 500 latencies it holds the true difference in 98 of 100, of the AUC of 300 rows in 95.
    """
    (low_a, high_a), (low_b, high_b) = of_baseline, of_candidate
    difference = candidate - baseline
    return (
        difference - math.hypot(candidate - low_b, high_a - baseline),
        difference + math.hypot(high_b - candidate, baseline - low_a),
    )


def share_difference_interval(
    baseline: float, baseline_rows: float, candidate: float, candidate_rows: float
) -> Interval | None:
    """Return the interval of the difference of two shares: ``baseline`` and ``candidate`` successes of so many rows.

    Newcombe (1998), method 10: within -1 to 1, also for shares of 0 and 1. Simulated, shares of 0.002 to 0.9 of 200 to
    2,000 rows: it holds the true difference in 94 to 97 of 100, and in more where hardly any success is expected. None
    where either has no rows.
    """
    of_baseline = wilson_interval(baseline, baseline_rows)
    of_candidate = wilson_interval(candidate, candidate_rows)
    if of_baseline is None or of_candidate is None:
        return None
    return difference_interval(
        baseline / baseline_rows, of_baseline, candidate / candidate_rows, of_candidate
    )


def mean_difference_interval(
    baseline: float,
    baseline_variance: float,
    baseline_rows: float,
    candidate: float,
    candidate_variance: float,
    candidate_rows: float,
) -> Interval | None:
    """Return the interval of the difference of two means, whose variances are those of populations and may differ.

    Welch (1947), with Satterthwaite's degrees of freedom; exact for normal values, else the normal limit. None where
    either has fewer than two rows, both are constant, or a sum is too large to be a number.
    """
    if min(baseline_rows, candidate_rows) < 2:
        return None
    # Of the mean: the population's variance over n, corrected for the mean that it was taken about.
    of_baseline = baseline_variance / (baseline_rows - 1)
    of_candidate = candidate_variance / (candidate_rows - 1)
    square = of_baseline + of_candidate
    if not (math.isfinite(square) and square > 0):
        return None
    from scipy.special import stdtrit

    # Shares, since squares of small variances may be too small to be numbers.
    share = of_baseline / square
    freedom = 1 / (share**2 / (baseline_rows - 1) + (1 - share) ** 2 / (candidate_rows - 1))
    half = float(stdtrit(freedom, 0.975)) * math.sqrt(square)
    return candidate - baseline - half, candidate - baseline + half
