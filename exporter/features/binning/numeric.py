"""Numbers, counted over edges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from exporter.features.binning.binning import Frame
from exporter.summary.base import Floats, Groups, Rows
from exporter.summary.cells import Cells
from exporter.summary.numeric import NumericSummary, PreparedNumbers


@dataclass(frozen=True)
class Numbers:
    """``values``: float64, NaN where missing. ``invalid``: where it is NaN because the value is no number."""

    values: Floats
    invalid: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class NumericFrame(Frame):
    """``edges``: all that any reference needs. ``pivot``: near the values, for sums without cancellation."""

    edges: Floats
    pivot: float

    def empty(self) -> NumericSummary:
        return NumericSummary.empty(self.edges, self.pivot)

    @cached_property
    def _cells(self) -> Cells:
        return Cells(self.edges)

    def prepare(self, values: Numbers | Floats) -> PreparedNumbers:
        numbers = values if isinstance(values, Numbers) else Numbers(values)
        return PreparedNumbers.of(self._cells, self.pivot, numbers.values, numbers.invalid)

    def rows(self, prepared: PreparedNumbers, rows: Rows) -> PreparedNumbers:
        return prepared.rows(rows)

    def fold(self, prepared: PreparedNumbers, groups: Groups, size: int) -> NumericSummary:
        return NumericSummary.fold_prepared(prepared, groups, size)

    def signature(self) -> bytes:
        return b"numeric\0" + np.float64(self.pivot).tobytes() + self.edges.tobytes()
