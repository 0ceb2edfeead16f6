"""Bins of a reference: its quantiles."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Floats

FINE_BINS = 200
_PER_DECILE = FINE_BINS // 10
_HALF_OF_ALL = np.finfo(np.float64).max / 2


def quantile_edges(values: Floats) -> tuple[Floats, Floats]:
    """(fine edges, deciles) of finite ``values``, each ascending without duplicates; deciles are among the fine.

    Quantiles are numpy's default, linear interpolation. A value that several quantiles fall on is told apart
    from what lies below it: among the fine edges always, among the deciles where the reference has nothing in
    between, so that a sample that leaves it downwards is seen leaving. Both are empty where there are no values.
    """
    if not len(values):
        return np.empty(0), np.empty(0)
    # Between two values that are further apart than the largest number there is no interpolating.
    scale = 2.0 if values.max() / 2 - values.min() / 2 > _HALF_OF_ALL else 1.0
    quantiles = np.quantile(values / scale, np.arange(1, FINE_BINS) / FINE_BINS) * scale
    distinct, repeats = np.unique(quantiles, return_counts=True)
    # What lies outside the reference is told apart too: two samples that do not touch have a D of exactly 1.
    ends = (np.nextafter(values.min(), -np.inf), values.max())
    fine = np.union1d(np.union1d(distinct, ends), np.nextafter(distinct[repeats > 1], -np.inf))
    deciles, repeats = np.unique(quantiles[_PER_DECILE - 1 :: _PER_DECILE], return_counts=True)
    below = np.nextafter(deciles, -np.inf)
    ordered = np.sort(values)
    up_to_below, up_to_previous = (
        np.searchsorted(ordered, edges, side="right") for edges in (below, np.append(-np.inf, deciles[:-1]))
    )
    deciles = np.union1d(deciles, below[(repeats > 1) & (up_to_below == up_to_previous)])
    return np.union1d(fine, deciles), deciles
