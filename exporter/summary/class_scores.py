"""Scores by predicted class: what a performance estimate without labels needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Groups, Merge, Summary, count_cells, merged_by


@dataclass(frozen=True, eq=False)
class ClassScoresSummary(Summary):
    """Rows by predicted class (0, 1) and bin (edge, next edge] of the score; ``counts``: shape (2, bins)."""

    edges: Floats
    counts: Floats = merged_by(Merge.SUM)

    @classmethod
    def empty(cls, edges: Floats) -> Self:
        nothing = np.empty(0, dtype=np.intp)
        return cls.fold(edges, np.empty(0), nothing, nothing, 1)[0]

    @classmethod
    def fold(
        cls, edges: Floats, scores: Floats, predicted: npt.NDArray[np.intp], groups: Groups, size: int
    ) -> Self:
        """A stack of ``size`` summaries; rows without a score or a class are left out."""
        usable = np.isfinite(scores) & (predicted >= 0)
        bins = len(edges) + 1
        cells = predicted[usable] * bins + np.searchsorted(edges, scores[usable], side="left")
        return cls(edges, count_cells(groups[usable], size, cells, 2 * bins).reshape(size, 2, bins))

    def _stack_axes(self) -> int:
        return int(self.counts.ndim) - 2
