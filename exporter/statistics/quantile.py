"""Quantiles of lengths of time."""

from __future__ import annotations

import numpy as np

from exporter.summary.durations import EDGES, DurationSummary


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
