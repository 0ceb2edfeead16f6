"""Categories, each counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.features.binning.binning import Frame
from exporter.summary.base import Groups, Rows
from exporter.summary.categorical import CategoricalSummary

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True)
class CategoricalFrame(Frame):
    """``categories``: all that any reference has seen. Values: their indices, MISSING or UNSEEN."""

    categories: tuple[str, ...]

    def empty(self) -> CategoricalSummary:
        return CategoricalSummary.empty(self.categories)

    def prepare(self, values: npt.NDArray[np.integer]) -> Codes:
        return values.astype(np.intp, copy=False)

    def rows(self, prepared: Codes, rows: Rows) -> Codes:
        return prepared[rows]

    def fold(self, prepared: Codes, groups: Groups, size: int) -> CategoricalSummary:
        return CategoricalSummary.fold(self.categories, prepared, groups, size)

    def signature(self) -> bytes:
        return "\0".join(("categorical", *self.categories)).encode()
