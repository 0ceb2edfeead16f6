"""Vectors: their sum, for the centroid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Flags, Floats, Groups, Merge, Summary, count, merged_by


@dataclass(frozen=True, eq=False)
class EmbeddingSummary(Summary):
    """``vectors``: how many. ``invalid``: not of this dimension, or not finite. ``missing``: null or absent.

    ``squared_norm``: sum of the squared lengths. ``total``: sum of the vectors, shape (dimensions,).
    """

    vectors: Floats = merged_by(Merge.SUM)
    missing: Floats = merged_by(Merge.SUM)
    invalid: Floats = merged_by(Merge.SUM)
    squared_norm: Floats = merged_by(Merge.SUM)
    total: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, vectors: Floats, missing: Flags, invalid: Flags, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries; row i goes to ``groups[i]``.

        ``vectors``: of the rows that are neither missing nor invalid, in their order; shape (those, dimensions).
        """
        members = groups[~(missing | invalid)]
        total = np.zeros((size, vectors.shape[1]))
        if size == 1:
            total[0] = vectors.sum(axis=0)
        else:
            order = np.argsort(members, kind="stable")
            found, starts = np.unique(members[order], return_index=True)
            if len(found):
                total[found] = np.add.reduceat(vectors[order], starts, axis=0)
        return cls(
            vectors=count(members, size),
            missing=count(groups[missing], size),
            invalid=count(groups[invalid], size),
            squared_norm=count(members, size, np.einsum("ij,ij->i", vectors, vectors)),
            total=total,
        )

    @property
    def present(self) -> float:
        """Usable vectors."""
        return float(self.vectors)

    @property
    def rows(self) -> float:
        return self.present + float(self.missing) + float(self.invalid)

    @property
    def centroid(self) -> Floats:
        """The mean vector, shape (dimensions,). NaN where nothing is present."""
        return self.total / self.present if self.present else np.full_like(self.total, np.nan)
