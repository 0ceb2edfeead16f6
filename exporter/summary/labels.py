"""Labels: numbers by bin, and how right the model was by how long labels took to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Floats, Groups, Merge, Summary, count_cells, merged_by, quotients, regrouped
from exporter.summary.sums import CELLS, sums, total


@dataclass(frozen=True, eq=False)
class LabelBinsSummary(Summary):
    """Finite labels by bin (edge, next edge], the outer ones open; shape (bins,) each.

    ``edges``: shape (bins - 1,), ascending. ``rows``: whatever their weights. ``weights``: predictions that they
    stand for.
    """

    edges: Floats
    rows: Floats = merged_by(Merge.SUM)
    weights: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(
        cls, edges: Floats, labels: Floats, groups: Groups, size: int, weights: Floats | None = None
    ) -> Self:
        """A stack of ``size`` summaries; ``weights``: how many predictions each row stands for, 1 where None."""
        usable = np.isfinite(labels)
        member = groups[usable]
        bins = len(edges) + 1
        cells = np.searchsorted(edges, labels[usable], side="left")
        return cls(
            edges=edges,
            rows=count_cells(member, size, cells, bins),
            weights=count_cells(member, size, cells, bins, None if weights is None else weights[usable]),
        )

    def regrouped(self, edges: Floats) -> Floats:
        """Weights over ``edges``, shape (edges + 1,). Raises ValueError where one is no edge of this summary."""
        return regrouped(self.weights, self.edges, edges)


DELAY_BOUNDS: tuple[float, ...] = (60.0, 3600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0, float("inf"))
"""Upper ends of the buckets (lo, hi] in seconds: 1 minute, 1 and 6 hours, 1, 7 and 30 days, any longer."""


@dataclass(frozen=True, eq=False)
class AccuracyByDelaySummary(Summary):
    """Labelled predictions by the bucket of their label's delay; each array has shape (buckets,) = (7,).

    ``rows``: whatever their weights. ``weights``: predictions they stand for. ``quality``: sum of weight times
    the row's quality, which is 1 or 0 for a right or wrong class, the absolute error of a number, the NDCG of a list;
    exact sums, shape (buckets, CELLS).
    """

    rows: Floats = merged_by(Merge.SUM)
    weights: Floats = merged_by(Merge.SUM)
    quality_limbs: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(
        cls, delays: Floats, quality: Floats, groups: Groups, size: int, weights: Floats | None = None
    ) -> Self:
        """A stack of ``size`` summaries.

        ``delays`` in seconds, a negative one counts as 0; rows where it or ``quality`` is not finite are left out.
        ``weights``: how many predictions each row stands for, 1 where None.
        """
        usable = np.isfinite(delays) & np.isfinite(quality)
        member = groups[usable]
        weight = np.ones(len(member)) if weights is None else weights[usable]
        buckets = len(DELAY_BOUNDS)
        bucket = np.searchsorted(DELAY_BOUNDS, delays[usable], side="left")
        return cls(
            rows=count_cells(member, size, bucket, buckets),
            weights=count_cells(member, size, bucket, buckets, weight),
            quality_limbs=sums(member * buckets + bucket, size * buckets, quality[usable] * weight).reshape(
                size, buckets, CELLS
            ),
        )

    @property
    def mean_quality(self) -> Floats:
        """Mean quality (the accuracy of a classifier) of each bucket, shape (7,); NaN where it has no rows. Exact."""
        return quotients(total(self.quality_limbs), self.weights)
