"""Counts by a hash: how often the most frequent value or which words occur, without keeping them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Codes, Flags, Floats, Groups, Merge, Summary, count, count_cells, merged_by

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
    def fold(cls, values: Floats, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries; values that are not finite are left out."""
        usable = np.isfinite(values)
        return cls(count_cells(groups[usable], size, _slot(values[usable]), SLOTS))


def _slot(values: Floats) -> Codes:
    bits = (values + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    mixed = (bits ^ (bits >> np.uint64(32))) * _MULTIPLIER
    mixed = (mixed ^ (mixed >> np.uint64(29))) * _MULTIPLIER
    return (mixed >> np.uint64(54)).astype(np.intp)


@dataclass(frozen=True, eq=False)
class VocabularySummary(Summary):
    """Tokens counted by a hash of theirs (feature hashing: Weinberger et al., 2009). ``counts``: shape (1024,).

    ``texts``: values, with tokens or without. ``missing``: null or absent.
    """

    texts: Floats = merged_by(Merge.SUM)
    missing: Floats = merged_by(Merge.SUM)
    counts: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, slots: Codes, owners: Codes, missing: Flags, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries; row i goes to ``groups[i]``.

        ``slots``: of every token, 0..1023. ``owners``: the row of each token. ``missing``: rows without a text.
        """
        return cls(
            texts=count(groups[~missing], size),
            missing=count(groups[missing], size),
            counts=count_cells(groups[owners], size, slots, SLOTS),
        )

    @property
    def present(self) -> float:
        """Texts."""
        return float(self.texts)

    @property
    def rows(self) -> float:
        return self.present + float(self.missing)

    @property
    def tokens(self) -> float:
        """Tokens of all texts."""
        return float(self.counts.sum())
