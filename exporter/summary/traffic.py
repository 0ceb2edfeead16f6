"""Traffic: how many predictions, how many of them errors, how many answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Groups, Merge, Summary, count, merged_by


@dataclass(frozen=True, eq=False)
class TrafficSummary(Summary):
    """``rows``: predictions. ``graded``: those with a status. ``errors``: status >= 400.

    ``answered``: those with a score or a class that a label can be compared with.
    """

    rows: Floats = merged_by(Merge.SUM)
    graded: Floats = merged_by(Merge.SUM)
    errors: Floats = merged_by(Merge.SUM)
    answered: Floats = merged_by(Merge.SUM)

    @classmethod
    def empty(cls) -> Self:
        nothing = np.empty(0, dtype=bool)
        return cls.fold(nothing, nothing, nothing, np.empty(0, dtype=np.intp), 1)[0]

    @classmethod
    def fold(
        cls,
        graded: npt.NDArray[np.bool_],
        errors: npt.NDArray[np.bool_],
        answered: npt.NDArray[np.bool_],
        groups: Groups,
        size: int,
    ) -> Self:
        """A stack of ``size`` summaries of rows that are or are not graded, errors, answered."""
        return cls(
            rows=count(groups, size),
            graded=count(groups[graded], size),
            errors=count(groups[errors], size),
            answered=count(groups[answered], size),
        )
