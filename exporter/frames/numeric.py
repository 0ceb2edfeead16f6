"""Numbers, counted over edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.frames.frame import Frame
from exporter.summary.base import Floats, Groups
from exporter.summary.numeric import NumericSummary


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

    def prepare(self, values: Numbers | Floats) -> Numbers:
        return values if isinstance(values, Numbers) else Numbers(values)

    def rows(self, prepared: Numbers, rows: npt.NDArray[np.intp]) -> Numbers:
        invalid = prepared.invalid
        return Numbers(prepared.values[rows], None if invalid is None else invalid[rows])

    def fold(self, prepared: Numbers, groups: Groups, size: int) -> NumericSummary:
        return NumericSummary.fold(self.edges, self.pivot, prepared.values, groups, size, prepared.invalid)

    def signature(self) -> bytes:
        return b"numeric\0" + np.float64(self.pivot).tobytes() + self.edges.tobytes()
