"""Labels that are numbers, counted over edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Floats, Groups, Merge, Summary, count, count_cells, merged_by


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
    def empty(cls, edges: Floats) -> Self:
        return cls.fold(edges, np.empty(0), np.empty(0, dtype=np.intp), 1)[0]

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
            weights=count(
                member * bins + cells, size * bins, None if weights is None else weights[usable]
            ).reshape(size, bins),
        )

    def regrouped(self, edges: Floats) -> Floats:
        """Weights over ``edges``, each of which must be an edge of this summary; shape (edges + 1,).

        Raises ValueError where one is not.
        """
        at = np.searchsorted(self.edges, edges)
        if np.any(at >= len(self.edges)) or not np.array_equal(self.edges[at], edges):
            raise ValueError("counts can only be regrouped over a subset of their edges")
        below = np.concatenate([[0.0], np.cumsum(self.weights)])
        return np.diff(np.concatenate([[0.0], below[at + 1], below[-1:]]))

    def _stack_axes(self) -> int:
        return int(self.rows.ndim) - 1
