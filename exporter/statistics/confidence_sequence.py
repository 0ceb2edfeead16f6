"""Confidence sequence of the difference of two means: bounds that hold at every look at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

_PSEUDO_COUNT = 4.0


@dataclass(frozen=True)
class Sample:
    """Rows of one version so far. ``variance``: of one row, of the population."""

    mean: float
    variance: float
    rows: float

    @classmethod
    def of_share(cls, part: float, rows: float) -> Sample:
        """Return that of ``part`` in ``rows`` > 0.

        The variance is that of four more rows of each kind, so that a share of 0 or 1 has some. Source: Agresti and
        Coull (1998), with the square of about 2.8 standard errors, what a sequence is wide, instead of 1.96.
        """
        share = (part + _PSEUDO_COUNT) / (rows + 2 * _PSEUDO_COUNT)
        return cls(part / rows, share * (1 - share), rows)


def difference_bounds(
    baseline: Sample, candidate: Sample, *, confidence: float, tuned_at: float
) -> tuple[float, float] | None:
    """Return bounds of ``candidate - baseline`` that hold at all looks at once with probability ``confidence``.

    With v the variance of the difference D, D / v is a Brownian motion with drift in the time 1 / v. Mixed over drifts
    of a normal distribution of variance t, its likelihood ratio against the true drift is a martingale, which ever
    exceeds 1 / α with a probability of at most α (Ville): |D - true| < sqrt(v (1 + v/t) (2 ln(1/α) + ln(1 + t/v))).
    Sources: Robbins (1970); Johari, Koomen, Pekelis and Walsh (2022), Always valid inference; Howard, Ramdas, McAuliffe
    and Sekhon (2021). With variances that are estimated it holds in the limit of many rows: Waudby-Smith, Arbour,
    Sinha, Kennedy and Ramdas (2024), Time-uniform central limit theory. Hence it is not for a few rows.

    t is such that the bounds are tightest where each version has ``tuned_at`` rows. None where a version has fewer than
    two rows, both are constant, or a sum is too large to be a number.
    """
    if min(baseline.rows, candidate.rows) < 2:
        return None
    of_mean = baseline.variance / (baseline.rows - 1) + candidate.variance / (candidate.rows - 1)
    if not (math.isfinite(of_mean) and of_mean > 0):
        return None
    # In units of a row's variance, of which t is a constant multiple whatever the split between the versions.
    information = (baseline.variance + candidate.variance) / 2 / of_mean
    ratio = _tightest(1 - confidence) * information / (tuned_at / 2)
    level = -2 * math.log(1 - confidence) + math.log1p(ratio)
    half = math.sqrt(of_mean * (1 + 1 / ratio) * level)
    difference = candidate.mean - baseline.mean
    return difference - half, difference + half


def _tightest(alpha: float) -> float:
    """Return t/v of the narrowest bounds: where the derivative is 0, x = 2 ln(1/α) + ln(1 + x)."""
    found = least = -2 * math.log(alpha)
    for _ in range(30):
        found = least + math.log1p(found)
    return found
