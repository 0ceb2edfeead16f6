"""Numbers: counts over fixed edges, with what cannot be binned counted apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Groups, Merge, Summary, count, count_cells, merged_by


@dataclass(frozen=True, eq=False)
class NumericSummary(Summary):
    """Counts of values in the bins (edge, next edge], the outer ones open.

    ``edges``: shape (bins - 1,), ascending. ``pivot``: sums are taken of ``value - pivot``, so that a
    small spread about a large mean survives. ``deviations``: those sums by bin, shape (bins,).
    ``missing``: null, absent or NaN. ``invalid``: there, but no number. ``infinite``: ±inf.
    """

    edges: Floats
    pivot: float
    missing: Floats = merged_by(Merge.SUM)
    infinite: Floats = merged_by(Merge.SUM)
    invalid: Floats = merged_by(Merge.SUM)
    counts: Floats = merged_by(Merge.SUM)
    deviations: Floats = merged_by(Merge.SUM)
    squared_deviations: Floats = merged_by(Merge.SUM)
    minimum: Floats = merged_by(Merge.MINIMUM)
    maximum: Floats = merged_by(Merge.MAXIMUM)

    @classmethod
    def empty(cls, edges: Floats, pivot: float = 0.0) -> Self:
        return cls.fold(edges, pivot, np.empty(0), np.empty(0, dtype=np.intp), 1)[0]

    @classmethod
    def fold(
        cls,
        edges: Floats,
        pivot: float,
        values: Floats,
        groups: Groups,
        size: int,
        invalid: npt.NDArray[np.bool_] | None = None,
    ) -> Self:
        """A stack of ``size`` summaries; row i of ``values`` (NaN = missing) goes to ``groups[i]``.

        ``invalid``: the rows whose value is NaN because it is no number.
        """
        missing = np.isnan(values)
        infinite = np.isinf(values)
        bad = missing | infinite
        wrong = np.zeros(size) if invalid is None else count(groups[invalid], size)
        if bad.any():
            usable, members = values[~bad], groups[~bad]
        else:
            usable, members = values, groups
        with np.errstate(over="ignore"):  # beyond 1e154 a square is infinite, and the variance withheld
            deviations = usable - pivot
            squares = deviations * deviations
        bins = len(edges) + 1
        cells = np.searchsorted(edges, usable, side="left")
        minimum = np.full(size, np.inf)
        maximum = np.full(size, -np.inf)
        np.minimum.at(minimum, members, usable)
        np.maximum.at(maximum, members, usable)
        return cls(
            edges=edges,
            pivot=pivot,
            missing=count(groups[missing], size) - wrong,
            infinite=count(groups[infinite], size),
            invalid=wrong,
            counts=count_cells(members, size, cells, bins),
            deviations=count(members * bins + cells, size * bins, deviations).reshape(size, bins),
            squared_deviations=count(members, size, squares),
            minimum=minimum,
            maximum=maximum,
        )

    @property
    def present(self) -> float:
        """Finite values."""
        return float(self.counts.sum())

    @property
    def rows(self) -> float:
        return self.present + float(self.missing) + float(self.infinite) + float(self.invalid)

    @property
    def mean(self) -> float:
        """NaN where nothing is present."""
        return self.pivot + float(self.deviations.sum()) / self.present if self.present else float("nan")

    @property
    def variance(self) -> float:
        """Population variance. NaN where nothing is present."""
        if not self.present:
            return float("nan")
        shift = self.mean - self.pivot
        return max(0.0, float(self.squared_deviations) / self.present - shift * shift)

    def regrouped(self, edges: Floats) -> Floats:
        """Counts over ``edges``, each of which must be an edge of this summary.

        Raises ValueError where one is not.
        """
        return self._regrouped(self.counts, edges)

    def below(self, edge: float) -> float:
        """Sum of ``edge - value`` over the values up to ``edge``, which must be one of the edges."""
        number, deviation = (
            self._regrouped(array, np.array([edge]))[0] for array in (self.counts, self.deviations)
        )
        return float((edge - self.pivot) * number - deviation)

    def above(self, edge: float) -> float:
        """Sum of ``value - edge`` over the values above ``edge``, which must be one of the edges."""
        number, deviation = (
            self._regrouped(array, np.array([edge]))[1] for array in (self.counts, self.deviations)
        )
        return float(deviation - (edge - self.pivot) * number)

    def _regrouped(self, array: Floats, edges: Floats) -> Floats:
        at = np.searchsorted(self.edges, edges)
        if np.any(at >= len(self.edges)) or not np.array_equal(self.edges[at], edges):
            raise ValueError("counts can only be regrouped over a subset of their edges")
        below = np.concatenate([[0.0], np.cumsum(array)])
        return np.diff(np.concatenate([[0.0], below[at + 1], below[-1:]]))
