"""Vectors of one dimension."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.features.binning.binning import Frame
from exporter.summary.base import Floats, Groups, Rows
from exporter.summary.embedding import EmbeddingSummary


@dataclass(frozen=True)
class Vectors:
    """``usable``: shape (rows that are neither ``missing`` nor ``invalid``, dimensions)."""

    usable: Floats
    missing: npt.NDArray[np.bool_]
    invalid: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class EmbeddingFrame(Frame):
    """``dimensions``: of every usable vector."""

    dimensions: int

    def empty(self) -> EmbeddingSummary:
        return EmbeddingSummary.empty(self.dimensions)

    def prepare(self, values: Vectors) -> Vectors:
        return values

    def rows(self, prepared: Vectors, rows: Rows) -> Vectors:
        usable = ~(prepared.missing | prepared.invalid)
        if isinstance(rows, slice):
            rows = np.arange(len(usable))[rows]
        at = np.cumsum(usable) - 1
        return Vectors(
            prepared.usable[at[rows[usable[rows]]]], prepared.missing[rows], prepared.invalid[rows]
        )

    def fold(self, prepared: Vectors, groups: Groups, size: int) -> EmbeddingSummary:
        return EmbeddingSummary.fold(prepared.usable, prepared.missing, prepared.invalid, groups, size)

    def signature(self) -> bytes:
        return f"embedding {self.dimensions}".encode()
