"""Quantiles of binned numbers and of lengths of time."""

from __future__ import annotations

import numpy as np

from exporter.summary.numeric import EDGES, DurationSummary, NumericSummary


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


def duration_quantile(summary: DurationSummary, quantile: float) -> float | None:
    """The ``quantile`` (0..1) in seconds: the geometric middle of the bin that holds that rank's observation.

    Within 1 % of the observation for lengths of 10 µs to 3 years (bins are 2 % wide). Rank as in
    numpy's ``inverted_cdf``. None where nothing was counted.
    """
    total = summary.present
    if not total:
        return None
    rank = max(1.0, np.ceil(quantile * total))
    position = int(np.searchsorted(np.cumsum(summary.counts), rank))
    if position == 0:
        return float(EDGES[0])
    if position == len(EDGES):
        return float(EDGES[-1])
    return float(np.sqrt(EDGES[position - 1] * EDGES[position]))
