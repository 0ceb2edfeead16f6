"""Rows outside what a reference has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Groups, Merge, Summary, count, merged_by


@dataclass(frozen=True, eq=False)
class SupportSummary(Summary):
    """``rows``, and how many of them are ``outside`` of each reference, shape (references,)."""

    references: tuple[str, ...]
    outside: Floats = merged_by(Merge.SUM)
    rows: Floats = merged_by(Merge.SUM)

    @classmethod
    def empty(cls, references: tuple[str, ...]) -> Self:
        nothing = np.empty((0, len(references)), dtype=bool)
        return cls.fold(references, nothing, np.empty(0, dtype=np.intp), 1)[0]

    @classmethod
    def fold(
        cls, references: tuple[str, ...], outside: npt.NDArray[np.bool_], groups: Groups, size: int
    ) -> Self:
        """A stack of ``size`` summaries; ``outside``: shape (rows, references)."""
        columns = [count(groups[outside[:, position]], size) for position in range(len(references))]
        return cls(
            references=references,
            outside=np.stack(columns, axis=1) if columns else np.zeros((size, 0)),
            rows=count(groups, size),
        )

    def _stack_axes(self) -> int:
        return int(self.rows.ndim)
