"""Training/serving skew: by feature, rows whose served value differs from the offline one; and ages of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import (
    Flags,
    Floats,
    Groups,
    Integers,
    Merge,
    Summary,
    count,
    count_cells,
    merged_by,
)
from exporter.summary.numeric import DurationSummary

NO_CODE = np.iinfo(np.int64).min
"""The code of a value that is not there."""
LATER = 1.0
"""Seconds after its prediction from which on a feature counts as made later: many logs write whole seconds."""


@dataclass(frozen=True, eq=False)
class SkewSummary(Summary):
    """Joined rows by feature; each array has shape (features,).

    ``rows``: those in which both sides have the feature's column, whatever their weights. ``weights``: predictions that
    they stand for, of which ``different``: have two values that differ; ``not_served`` and ``not_offline``: have a
    value on the other side only.
    """

    features: tuple[str, ...]
    rows: Floats = merged_by(Merge.SUM)
    weights: Floats = merged_by(Merge.SUM)
    different: Floats = merged_by(Merge.SUM)
    not_served: Floats = merged_by(Merge.SUM)
    not_offline: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(
        cls,
        features: tuple[str, ...],
        served: Integers,
        offline: Integers,
        differ: Flags,
        known: Flags,
        weights: Floats,
        groups: Groups,
        size: int,
    ) -> Self:
        """A stack of ``size`` summaries.

        ``served``, ``offline``: codes, and ``differ``: which of them do where both are there; ``known``: whether both
        sides have the column; shape (rows, features) each. ``weights``: shape (rows,).
        """
        there, also = served != NO_CODE, offline != NO_CODE
        counted = [
            cls._count(flags & known, weights, groups, size)
            for flags in (there & also & differ, ~there & also, there & ~also)
        ]
        ones = np.ones(len(weights))
        return cls(
            features,
            cls._count(known, ones, groups, size),
            cls._count(known, weights, groups, size),
            *counted,
        )

    @classmethod
    def _count(cls, flags: Flags, weights: Floats, groups: Groups, size: int) -> Floats:
        rows, columns = np.nonzero(flags)
        return count_cells(groups[rows], size, columns, flags.shape[1], weights[rows])

    @property
    def mismatched(self) -> Floats:
        """Predictions whose two values are not equal, for whatever reason; shape (features,)."""
        return self.different + self.not_served + self.not_offline


def differing(served: Integers, offline: Integers, numeric: Flags, relative: float, absolute: float) -> Flags:
    """Return which codes differ, shape (rows, features); ``numeric``: columns that hold the bits of numbers.

    Numbers do by more than ``absolute`` and more than ``relative`` times the larger magnitude; infinite ones are equal
    to themselves only. Where a side has no value, the answer means nothing.
    """
    found = np.asarray(served != offline)
    # A copy of whole columns: bits are viewed in one piece.
    one, other = (np.ascontiguousarray(codes[:, numeric]).view(np.float64) for codes in (served, offline))
    with np.errstate(invalid="ignore", over="ignore"):
        allowed = np.maximum(absolute, relative * np.maximum(np.abs(one), np.abs(other)))
        close = (np.abs(one - other) <= allowed) & np.isfinite(one) & np.isfinite(other)
    found[:, numeric] &= ~close
    return found


@dataclass(frozen=True, eq=False)
class FeatureAgeSummary(DurationSummary):
    """Ages at the time of the prediction; those of features that were made later count as 0, and are ``later`` too."""

    later: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, seconds: Floats, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries; NaN is left out."""
        durations = DurationSummary.fold(np.maximum(seconds, 0.0), groups, size)
        return cls(durations.total, durations.counts, count(groups[seconds < -LATER], size))
