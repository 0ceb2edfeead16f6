"""Two models on the same requests: intervals and tests of pairs."""

from __future__ import annotations

import math

from exporter.statistics.differences import Interval

_Z = 1.959963984540054  # 95 %


def paired_share_interval(only_first: float, only_second: float, pairs: float) -> Interval | None:
    """Return the 95 % interval of the second's share minus the first's, of the same requests.

    ``only_first`` and ``only_second``: pairs in which only that one is right; of ``pairs``. Adjusted Wald interval: one
    pair is added to each; Bonett and Price (2012). Simulated, 50 to 2,000 pairs that agree in 60 to 98 of 100: it holds
    the true difference in 94 to 97 of 100, and in more where hardly a pair differs. None without pairs.
    """
    if pairs <= 0:
        return None
    first, second = (only_first + 1) / (pairs + 2), (only_second + 1) / (pairs + 2)
    difference = second - first
    half = _Z * math.sqrt((first + second - difference * difference) / (pairs + 2))
    return max(-1.0, difference - half), min(1.0, difference + half)


def mcnemar_p_value(only_first: float, only_second: float) -> float | None:
    """Return the chance of pairs this uneven where both are right equally often; McNemar (1947).

    Exact: the pairs in which only one is right are coins (two-sided binomial test). None where there are none.
    """
    uneven = only_first + only_second
    if uneven <= 0:
        return None
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(only_first, only_second), uneven, 0.5)))


def paired_mean_interval(mean: float, variance: float, pairs: float) -> Interval | None:
    """Return the 95 % interval of the mean of the pairs' differences; Student (1908).

    ``variance``: of the population. None of fewer than two pairs.
    """
    if pairs < 2 or not math.isfinite(variance):
        return None
    from scipy.special import stdtrit

    half = float(stdtrit(pairs - 1, 0.975)) * math.sqrt(variance / (pairs - 1))
    return mean - half, mean + half
