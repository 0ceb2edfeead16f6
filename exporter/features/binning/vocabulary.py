"""Texts, counted by their tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exporter.features.binning.binning import Frame
from exporter.summary.base import Groups, Rows
from exporter.summary.vocabulary import SLOTS, VocabularySummary


@dataclass(frozen=True)
class Tokens:
    """``slots``: of all tokens, row by row. ``numbers``: tokens of each row. ``missing``: rows without a text."""

    slots: npt.NDArray[np.intp]
    numbers: npt.NDArray[np.intp]
    missing: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class VocabularyFrame(Frame):
    """Hashed tokens over fixed slots."""

    def empty(self) -> VocabularySummary:
        return VocabularySummary.empty()

    def prepare(self, values: Tokens) -> Tokens:
        return values

    def rows(self, prepared: Tokens, rows: Rows) -> Tokens:
        taken = np.zeros(len(prepared.numbers), dtype=bool)
        taken[rows] = True
        return Tokens(
            prepared.slots[np.repeat(taken, prepared.numbers)], prepared.numbers[rows], prepared.missing[rows]
        )

    def fold(self, prepared: Tokens, groups: Groups, size: int) -> VocabularySummary:
        owners = np.repeat(np.arange(len(prepared.numbers)), prepared.numbers)
        return VocabularySummary.fold(prepared.slots, owners, prepared.missing, groups, size)

    def signature(self) -> bytes:
        return f"vocabulary {SLOTS}".encode()
