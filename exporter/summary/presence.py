"""Fields that records have: how many should have each, and how many do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Floats, Merge, Summary, merged_by, ratio


@dataclass(frozen=True, eq=False)
class PresenceSummary(Summary):
    """``expected``: records that should have each of ``fields``. ``present``: those that do; shape (fields,) each."""

    fields: tuple[str, ...]
    expected: Floats = merged_by(Merge.SUM)
    present: Floats = merged_by(Merge.SUM)

    @classmethod
    def nothing(cls, fields: tuple[str, ...]) -> Self:
        """Return the summary of no records."""
        return cls(fields, np.zeros(len(fields)), np.zeros(len(fields)))

    def rows(self, field: str) -> float:
        """Return how many records should have ``field``."""
        return float(self.expected[self.fields.index(field)])

    def share(self, field: str) -> float | None:
        """Return the share of records that have ``field``. Exact. None where there are none."""
        position = self.fields.index(field)
        return ratio(self.present[position], self.expected[position])
