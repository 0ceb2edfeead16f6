"""Mean shift and quantiles of binned numbers."""

from __future__ import annotations

import numpy as np

from exporter.summary.numeric import NumericSummary


def mean_shift(current: NumericSummary, reference: NumericSummary, deviation: float) -> float | None:
    """|mean - reference mean| in reference standard deviations. Exact.

    None where either side is empty or the reference is constant.
    """
    if not current.present or not reference.present or not deviation:
        return None
    return abs(current.mean - reference.mean) / deviation


def quantile(summary: NumericSummary, probability: float) -> float | None:
    """The ``probability`` (0..1) quantile: off by at most the width of the bin that it falls into.

    Values are taken as evenly spread in their bin; the outer bins end at the smallest and largest value.
    None where nothing is present.
    """
    if not summary.present:
        return None
    edges = np.concatenate([[summary.minimum], summary.edges, [summary.maximum]])
    edges = np.clip(edges, summary.minimum, summary.maximum)
    below = np.concatenate([[0.0], np.cumsum(summary.counts)]) / summary.present
    position = int(np.searchsorted(below[1:], probability, side="left"))
    share = (probability - below[position]) / (below[position + 1] - below[position])
    return float(edges[position] + share * (edges[position + 1] - edges[position]))
