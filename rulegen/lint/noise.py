"""Noise of drift statistics without drift, in closed forms: no data is at hand when rules are written.

The exporter measures the same from the reference's own counts (``ml_feature_drift_noise_level``); a test holds
these to that.
"""

import math
from statistics import NormalDist
from typing import Literal

Part = Literal["top", "middle"]
"""``top``: 1 of 100 windows without drift is above it. ``middle``: every other one is."""

# Of a number: its reference's deciles.
_BINS = 10
_LEVEL = {"top": 0.99, "middle": 0.5}
# Quantiles of Kolmogorov's distribution.
_KOLMOGOROV = {"top": 1.628, "middle": 0.828}
# The integral of |Brownian bridge of F(x)| over x, in standard deviations of F, is between these and 6 % (at the top;
# a third, in the middle) more for uniform, normal, exponential and lognormal values: uniform ones have the least.
_WASSERSTEIN = {"top": 2.58, "middle": 0.98}


def chi_squared_quantile(probability: float, degrees: int) -> float:
    """Within 4 % with one degree of freedom, 1.5 % with more, at 0.5 and above (Wilson and Hilferty, 1931)."""
    ninth = 2 / (9 * degrees)
    return degrees * max(1 - ninth + NormalDist().inv_cdf(probability) * math.sqrt(ninth), 0.0) ** 3


def level(statistic: str, rows: float, reference_rows: float, part: Part) -> float | None:
    """The noise of ``statistic``, the end of a metric's name, for ``rows`` against ``reference_rows``.

    These are infinite where unknown. None for a statistic of another kind.
    """
    spread = 1 / rows + 1 / reference_rows
    # Of PSI: Yurdakul and Naranjo, 2020; the others follow from it.
    chi_squared = chi_squared_quantile(_LEVEL[part], _BINS - 1)
    match statistic:
        case "psi":
            return spread * chi_squared
        case "js_distance":
            return min(1.0, math.sqrt(spread * chi_squared / (8 * math.log(2))))
        case "hellinger_distance":
            return min(1.0, math.sqrt(spread * chi_squared / 8))
        case "ks_statistic":
            # Stephens's correction (1970); an upper bound where values repeat.
            root = 1 / math.sqrt(spread)
            return min(1.0, _KOLMOGOROV[part] / (root + 0.12 + 0.11 / root))
        case "wasserstein_distance":
            return _WASSERSTEIN[part] * math.sqrt(spread)
        case "mean_shift_sigmas":
            return NormalDist().inv_cdf((1 + _LEVEL[part]) / 2) * math.sqrt(spread)
        case _:
            return None
