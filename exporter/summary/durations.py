"""Lengths of time: counts over a geometric grid, for quantiles within 1 %."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Floats, Groups, Merge, Summary, count, count_cells, merged_by
from exporter.summary.cells import Cells

_SMALLEST = 1e-5
_LARGEST = 1e8
_RATIO = 1.02
EDGES: Floats = np.geomspace(
    _SMALLEST, _LARGEST, 1 + int(np.ceil(np.log(_LARGEST / _SMALLEST) / np.log(_RATIO)))
)
_CELLS = Cells(EDGES)


@dataclass(frozen=True, eq=False)
class DurationSummary(Summary):
    """Seconds counted over ``EDGES``: 10 µs to 3 years in steps of 2 %, and one bin beyond each end."""

    total: Floats = merged_by(Merge.SUM)
    counts: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, seconds: Floats, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries; NaN and negative lengths are left out."""
        usable = seconds >= 0
        seconds, groups = seconds[usable], groups[usable]
        cells = _CELLS.find(seconds)
        return cls(
            total=count(groups, size, seconds), counts=count_cells(groups, size, cells, len(EDGES) + 1)
        )

    @property
    def present(self) -> float:
        return float(self.counts.sum())
