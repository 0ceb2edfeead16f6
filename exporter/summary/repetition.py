"""How often the most frequent value occurs, without keeping the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Groups, Merge, Summary, count_cells, merged_by

SLOTS = 1024
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class RepetitionSummary(Summary):
    """Counts of values by a hash of their 64 bits: equal values share a slot.

    One row of a count-min sketch (Cormode and Muthukrishnan, 2005): a slot holds its value's count plus
    about 1/1024 of all the others. Shape of ``counts``: (1024,).
    """

    counts: Floats = merged_by(Merge.SUM)

    @classmethod
    def empty(cls) -> Self:
        return cls.fold(np.empty(0), np.empty(0, dtype=np.intp), 1)[0]

    @classmethod
    def fold(cls, values: Floats, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries; values that are not finite are left out."""
        usable = np.isfinite(values)
        return cls(count_cells(groups[usable], size, _slot(values[usable]), SLOTS))

    def _stack_axes(self) -> int:
        return int(self.counts.ndim) - 1


def _slot(values: Floats) -> npt.NDArray[np.intp]:
    bits = (values + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    mixed = (bits ^ (bits >> np.uint64(32))) * _MULTIPLIER
    mixed = (mixed ^ (mixed >> np.uint64(29))) * _MULTIPLIER
    return (mixed >> np.uint64(54)).astype(np.intp)
