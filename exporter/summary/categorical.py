"""Categories: one count per known category, and one for all that are not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Codes, Floats, Groups, Merge, Summary, count_cells, merged_by

MISSING = -2
UNSEEN = -1


@dataclass(frozen=True, eq=False)
class CategoricalSummary(Summary):
    """Counts of values per category; ``categories`` has shape (categories,), in a fixed order."""

    categories: tuple[str, ...]
    missing: Floats = merged_by(Merge.SUM)
    unseen: Floats = merged_by(Merge.SUM)
    counts: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, categories: tuple[str, ...], codes: Codes, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries; ``codes[i]`` is an index of ``categories``, UNSEEN or MISSING."""
        counts = count_cells(groups, size, codes - MISSING, len(categories) - MISSING)
        return cls(
            categories=categories,
            missing=counts[:, 0],
            unseen=counts[:, UNSEEN - MISSING],
            counts=counts[:, -MISSING:],
        )

    @property
    def present(self) -> float:
        """Values, seen and unseen."""
        return float(self.counts.sum() + self.unseen)

    @property
    def rows(self) -> float:
        return self.present + float(self.missing)

    def over(self, categories: tuple[str, ...]) -> Floats:
        """Counts over ``categories``, then one last count of every other value. Shape (categories + 1,)."""
        index = {category: position for position, category in enumerate(categories)}
        counts = np.zeros(len(categories) + 1)
        positions = [index.get(category, len(categories)) for category in self.categories]
        np.add.at(counts, positions, self.counts)
        counts[-1] += float(self.unseen)
        return counts
