"""Bins of a reference: its quantiles."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Floats

FINE_BINS = 200
_PER_DECILE = FINE_BINS // 10


def quantile_edges(values: Floats) -> tuple[Floats, Floats]:
    """(fine edges, deciles) of finite ``values``, each ascending without duplicates; deciles are among the fine.

    Quantiles are numpy's default, linear interpolation. A value that several quantiles fall on gets a bin of
    its own (an edge just below it), so that a sample that leaves it, either way, is seen leaving.
    Both are empty where there are no values.
    """
    if not len(values):
        return np.empty(0), np.empty(0)
    quantiles = np.quantile(values, np.arange(1, FINE_BINS) / FINE_BINS)
    deciles = _distinct(quantiles[_PER_DECILE - 1 :: _PER_DECILE])
    return np.union1d(_distinct(quantiles), deciles), deciles


def _distinct(edges: Floats) -> Floats:
    distinct, repeats = np.unique(edges, return_counts=True)
    return np.union1d(distinct, np.nextafter(distinct[repeats > 1], -np.inf))
