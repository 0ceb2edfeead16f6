"""Mean shift and quantiles of binned numbers."""

from __future__ import annotations

import numpy as np

from exporter.statistics.finite import finite
from exporter.summary.numeric import NumericSummary


def mean_shift(current: NumericSummary, reference: NumericSummary, deviation: float) -> float | None:
    """|mean - reference mean| in reference standard deviations. Exact.

    None where either side is empty, the reference is constant, or sums of values are too large to be numbers.
    """
    if not current.present or not reference.present or not deviation or not np.isfinite(deviation):
        return None
    return finite(abs(current.mean - reference.mean) / deviation)


def quantile(summary: NumericSummary, probability: float) -> float | None:
    """The ``probability`` (0..1) quantile: off by at most the width of the bin that it falls into.

    Values are taken as evenly spread in their bin; the outer bins end at the smallest and largest value.
    None where nothing is present.
    """
    if not summary.present:
        return None
    edges = np.concatenate([[summary.minimum], summary.edges, [summary.maximum]])
    edges = np.clip(edges, summary.minimum, summary.maximum)
    rank = max(1.0, np.ceil(probability * summary.present))
    up_to = np.cumsum(summary.counts)
    position = int(np.searchsorted(up_to, rank))
    number = summary.counts[position]
    share = (rank - (up_to[position] - number) - 0.5) / number
    # The difference of the two may be too large to be a number.
    return float(edges[position] * (1 - share) + share * edges[position + 1])
