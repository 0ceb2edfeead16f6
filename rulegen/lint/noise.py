"""Noise of drift statistics without drift, in closed forms: no data is at hand when rules are written.

The exporter measures the same from the reference's own counts (``ml_feature_drift_noise_level``); a test holds
these to that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Literal

Part = Literal["top", "middle"]
"""``top``: 1 of 100 windows without drift is above it. ``middle``: every other one is."""

_LEVEL = {"top": 0.99, "middle": 0.5}
# Quantiles of Kolmogorov's distribution.
_KOLMOGOROV = {"top": 1.628, "middle": 0.828}
# The integral of |Brownian bridge of F(x)| over x, in standard deviations of F, is between these and 6 % (at the top;
# a third, in the middle) more for uniform, normal, exponential and lognormal values.
_WASSERSTEIN = {"top": 2.58, "middle": 0.98}


def chi_squared_quantile(probability: float, degrees: int) -> float:
    """Within 4 % with one degree of freedom, 1.5 % with more, at 0.5 and above (Wilson and Hilferty, 1931)."""
    ninth = 2 / (9 * degrees)
    return degrees * max(1 - ninth + NormalDist().inv_cdf(probability) * math.sqrt(ninth), 0.0) ** 3


def _of_bins(bins: int, part: Part) -> float:
    return chi_squared_quantile(_LEVEL[part], max(bins - 1, 1))


def psi(spread: float, bins: int, part: Part) -> float:
    """(1/n + 1/N) times chi-squared with bins - 1 degrees of freedom (Yurdakul and Naranjo, 2020)."""
    return spread * _of_bins(bins, part)


def jensen_shannon(spread: float, bins: int, part: Part) -> float:
    """The square root of PSI's / (8 ln 2)."""
    return min(1.0, math.sqrt(spread * _of_bins(bins, part) / (8 * math.log(2))))


def hellinger(spread: float, bins: int, part: Part) -> float:
    """The square root of PSI's / 8."""
    return min(1.0, math.sqrt(spread * _of_bins(bins, part) / 8))


def kolmogorov_smirnov(spread: float, bins: int, part: Part) -> float:  # noqa: ARG001
    """Kolmogorov's distribution with Stephens's correction (1970); an upper bound where values repeat."""
    root = 1 / math.sqrt(spread)
    return min(1.0, _KOLMOGOROV[part] / (root + 0.12 + 0.11 / root))


def wasserstein(spread: float, bins: int, part: Part) -> float:  # noqa: ARG001
    """In reference standard deviations; of values that spread like uniform ones, which have the least."""
    return _WASSERSTEIN[part] * math.sqrt(spread)


def mean_shift(spread: float, bins: int, part: Part) -> float:  # noqa: ARG001
    """In reference standard deviations: the normal limit."""
    return NormalDist().inv_cdf((1 + _LEVEL[part]) / 2) * math.sqrt(spread)


def cramers_v(rows: float, reference_rows: float, bins: int, part: Part) -> float:
    """The square root of chi-squared / (n + N)."""
    return min(1.0, math.sqrt(_of_bins(bins, part) / (rows + reference_rows)))


# By the end of the metric's name; each takes 1/n + 1/N, the number of bins and the part of the windows.
STATISTICS: dict[str, Callable[[float, int, Part], float]] = {
    "psi": psi,
    "js_distance": jensen_shannon,
    "hellinger_distance": hellinger,
    "ks_statistic": kolmogorov_smirnov,
    "wasserstein_distance": wasserstein,
    "mean_shift_sigmas": mean_shift,
}


def level(statistic: str, rows: float, reference_rows: float, bins: int, part: Part) -> float | None:
    """The noise of ``statistic`` for ``rows`` against ``reference_rows`` (infinite where unknown).

    None where it is of another kind, or nothing can be said without the reference's size.
    """
    if statistic == "cramers_v":
        if math.isinf(reference_rows):
            return None
        return cramers_v(rows, reference_rows, bins, part)
    of = STATISTICS.get(statistic)
    return of(1 / rows + 1 / reference_rows, bins, part) if of is not None else None
