"""Means of several quantities, each over the rows that have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Floats, Groups, Merge, Summary, count, merged_by


@dataclass(frozen=True, eq=False)
class MeansSummary(Summary):
    """``rows`` and ``sums`` of finite values; shape (names,) each."""

    names: tuple[str, ...]
    rows: Floats = merged_by(Merge.SUM)
    sums: Floats = merged_by(Merge.SUM)

    @classmethod
    def empty(cls, names: tuple[str, ...]) -> Self:
        nothing = {name: np.empty(0) for name in names}
        return cls.fold(nothing, np.empty(0, dtype=np.intp), 1)[0]

    @classmethod
    def fold(cls, values: dict[str, Floats], groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries; ``values`` by name, NaN where a row has none."""
        rows, sums = [], []
        for column in values.values():
            known = np.isfinite(column)
            members, present = (groups, column) if known.all() else (groups[known], column[known])
            rows.append(count(members, size))
            sums.append(count(members, size, present))
        return cls(names=tuple(values), rows=np.stack(rows, axis=1), sums=np.stack(sums, axis=1))

    def present(self, name: str) -> float:
        """Rows that have the quantity."""
        return float(self.rows[self.names.index(name)])

    def mean(self, name: str) -> float | None:
        """Exact. None where no row has it."""
        position = self.names.index(name)
        return float(self.sums[position] / self.rows[position]) if self.rows[position] else None

    def _stack_axes(self) -> int:
        return int(self.rows.ndim) - 1
