"""Cosine distance of the centroids of two sets of vectors."""

from __future__ import annotations

import numpy as np

from exporter.summary.embedding import EmbeddingSummary

# 99 % point of chi-squared with one degree of freedom.
_EXCEEDED_BY_1_OF_100 = 6.634896601021213


def cosine_distance(current: EmbeddingSummary, reference: EmbeddingSummary) -> float | None:
    """1 - cos of the angle between the mean vectors: 0 for one direction, 1 for a right angle, 2 for opposite ones.

    Exact. None where either side has no vectors or a mean of length 0, or their dimensions differ.
    """
    if current.total.size != reference.total.size:
        return None
    # The centroids' lengths do not matter; dividing by the largest element first keeps squares finite.
    directions = []
    for summary in (current, reference):
        largest = float(np.linalg.norm(summary.total, np.inf)) if summary.total.size else 0.0
        if not summary.present or not largest:
            return None
        scaled = summary.total / largest
        directions.append(scaled / np.sqrt(scaled @ scaled))
    one, other = directions
    # Of nearly equal directions 1 - cos would be lost in rounding.
    gap = one - other
    return min(2.0, float(gap @ gap) / 2)


def cosine_distance_noise(rows: float, reference: EmbeddingSummary) -> float | None:
    """Noise level of ``cosine_distance``, which at most 1 of 100 drift-free windows of ``rows`` vectors exceeds.

    Half the squared angle is at most d'd / (2 |m|**2), d the difference of the means, whose covariance is that of
    the vectors times (1/n + 1/N). Of all spectra with one trace, a single direction has the highest 99 % point
    (Szekely and Bakirov, 2003): 6.63 times the mean. So it is a bound for means that are long beside their error,
    not an estimate: spread over many dimensions, noise reaches a sixth of it.
    None where there are no rows, no vectors, or their mean has length 0.
    """
    if not rows or not reference.present:
        return None
    centroid = reference.centroid
    squared = float(centroid @ centroid)
    if not squared or not np.isfinite(squared):
        return None
    spread = max(0.0, float(reference.squared_norm) / reference.present - squared)
    error = spread * (1 / rows + 1 / reference.present)
    return min(2.0, _EXCEEDED_BY_1_OF_100 * error / (2 * squared))
