"""Which words occur how often, without keeping the words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Groups, Merge, Summary, count, count_cells, merged_by

SLOTS = 1024


@dataclass(frozen=True, eq=False)
class VocabularySummary(Summary):
    """Tokens counted by a hash of theirs (feature hashing: Weinberger et al., 2009). ``counts``: shape (1024,).

    ``texts``: values, with tokens or without. ``missing``: null or absent.
    """

    texts: Floats = merged_by(Merge.SUM)
    missing: Floats = merged_by(Merge.SUM)
    counts: Floats = merged_by(Merge.SUM)

    @classmethod
    def empty(cls) -> Self:
        nothing = np.empty(0, dtype=np.intp)
        return cls.fold(nothing, nothing, np.empty(0, dtype=bool), nothing, 1)[0]

    @classmethod
    def fold(
        cls,
        slots: npt.NDArray[np.intp],
        owners: npt.NDArray[np.intp],
        missing: npt.NDArray[np.bool_],
        groups: Groups,
        size: int,
    ) -> Self:
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
