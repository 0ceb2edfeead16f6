"""Prediction rows: how many, which lie outside a reference, means of what they hold, and what moved them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Flags, Floats, Groups, Merge, Summary, count, merged_by


@dataclass(frozen=True, eq=False)
class TrafficSummary(Summary):
    """``rows``: predictions. ``graded``: those with a status. ``errors``: status >= 400.

    ``answered``: those with a score or a class that a label can be compared with.
    """

    rows: Floats = merged_by(Merge.SUM)
    graded: Floats = merged_by(Merge.SUM)
    errors: Floats = merged_by(Merge.SUM)
    answered: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, graded: Flags, errors: Flags, answered: Flags, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries of rows that are or are not graded, errors, answered."""
        return cls(
            rows=count(groups, size),
            graded=count(groups[graded], size),
            errors=count(groups[errors], size),
            answered=count(groups[answered], size),
        )


@dataclass(frozen=True, eq=False)
class SupportSummary(Summary):
    """``rows``, and how many of them are ``outside`` of each reference, shape (references,)."""

    references: tuple[str, ...]
    outside: Floats = merged_by(Merge.SUM)
    rows: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, references: tuple[str, ...], outside: Flags, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries; ``outside``: shape (rows, references)."""
        columns = [count(groups[outside[:, position]], size) for position in range(len(references))]
        return cls(
            references=references,
            outside=np.stack(columns, axis=1) if columns else np.zeros((size, 0)),
            rows=count(groups, size),
        )


@dataclass(frozen=True, eq=False)
class MeansSummary(Summary):
    """``rows`` and ``sums`` of finite values; shape (names,) each."""

    names: tuple[str, ...]
    rows: Floats = merged_by(Merge.SUM)
    sums: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, values: dict[str, Floats], groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries; ``values`` by name, NaN where a row has none."""
        rows, sums = [], []
        for column in values.values():
            known = np.isfinite(column)
            members, present = (groups, column) if known.all() else (groups[known], column[known])
            rows.append(count(members, size))
            sums.append(count(members, size, present))
        return cls(names=tuple(values), rows=np.stack(rows, axis=1), sums=np.stack(sums, axis=1))

    def present(self, name: str) -> float:
        """Rows that have the quantity."""
        return float(self.rows[self.names.index(name)])

    def mean(self, name: str) -> float | None:
        """Exact. None where no row has it."""
        position = self.names.index(name)
        return float(self.sums[position] / self.rows[position]) if self.rows[position] else None


@dataclass(frozen=True, eq=False)
class AttributionSummary(Summary):
    """Sums of |attribution| by feature.

    ``features``: names, in a fixed order. ``explained``: rows with an attribution of any feature. ``rows``: those with
    one of the feature, ``magnitudes``: the sum of their |attribution|; shape (features,) each. NaN and ±inf count as
    missing.
    """

    features: tuple[str, ...]
    explained: Floats = merged_by(Merge.SUM)
    rows: Floats = merged_by(Merge.SUM)
    magnitudes: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, features: tuple[str, ...], values: Floats, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries of ``values``, shape (rows, features); NaN = missing."""
        columns = {name: np.abs(column) for name, column in zip(features, values.T, strict=True)}
        means = MeansSummary.fold(columns, groups, size)
        explained = count(groups[np.isfinite(values).any(axis=1)], size)
        return cls(features=features, explained=explained, rows=means.rows, magnitudes=means.sums)
