"""Numbers: counts over fixed edges, with what cannot be binned counted apart; lengths of time over a geometric grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from exporter.summary.base import (
    Codes,
    Flags,
    Floats,
    Groups,
    Merge,
    Rows,
    Summary,
    count,
    count_cells,
    merged_by,
    regrouped,
)
from exporter.summary.cells import Cells

_MISSING, _INFINITE, _INVALID = range(3)
_KINDS_OF_NOTHING = 3  # each has a cell of its own, behind the bins


@dataclass(frozen=True)
class PreparedNumbers:
    """Values ready to be counted, worked out once for all groupings of the same rows; shape (rows,) each.

    ``values``: NaN where there is no finite number. ``deviations`` from the pivot: 0 there.
    """

    edges: Floats
    pivot: float
    cells: Codes
    values: Floats
    deviations: Floats

    @classmethod
    def of(cls, cells: Cells, pivot: float, values: Floats, invalid: Flags | None = None) -> Self:
        """As ``NumericSummary.fold`` takes them; ``cells`` are those of its edges."""
        finite = np.isfinite(values)
        everywhere = bool(finite.all())
        usable = values if everywhere else np.where(finite, values, pivot)
        with np.errstate(over="ignore"):
            deviations = usable - pivot
        found = cells.find(usable)
        if not everywhere:
            nothing = len(cells.edges) + 1
            found[~finite] = nothing + _MISSING
            found[np.isinf(values)] = nothing + _INFINITE
            if invalid is not None:
                found[invalid] = nothing + _INVALID
            values = np.where(finite, values, np.nan)
        return cls(cells.edges, pivot, found, values, deviations)

    def __getitem__(self, rows: Rows) -> Self:
        return replace(
            self, cells=self.cells[rows], values=self.values[rows], deviations=self.deviations[rows]
        )


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
    def fold(
        cls,
        edges: Floats,
        pivot: float,
        values: Floats,
        groups: Groups,
        size: int,
        invalid: Flags | None = None,
    ) -> Self:
        """A stack of ``size`` summaries; row i of ``values`` (NaN = missing) goes to ``groups[i]``.

        ``invalid``: the rows whose value is NaN because it is no number.
        """
        return cls.fold_prepared(PreparedNumbers.of(Cells(edges), pivot, values, invalid), groups, size)

    @classmethod
    def fold_prepared(cls, numbers: PreparedNumbers, groups: Groups, size: int) -> Self:
        """``fold`` of values that are prepared already."""
        bins = len(numbers.edges) + 1
        counts, deviations = (
            count_cells(groups, size, numbers.cells, bins + _KINDS_OF_NOTHING, weights)
            for weights in (None, numbers.deviations)
        )
        squared_deviations, minimum, maximum = _extent(numbers, groups, size)
        return cls(
            edges=numbers.edges,
            pivot=numbers.pivot,
            missing=counts[:, bins],
            infinite=counts[:, bins + 1],
            invalid=counts[:, bins + 2],
            counts=counts[:, :bins],
            deviations=deviations[:, :bins],
            squared_deviations=squared_deviations,
            minimum=minimum,
            maximum=maximum,
        )

    @cached_property
    def present(self) -> float:
        """Finite values."""
        return float(self.counts.sum())

    @property
    def rows(self) -> float:
        return self.present + float(self.missing) + float(self.infinite) + float(self.invalid)

    @cached_property
    def mean(self) -> float:
        """NaN where nothing is present; infinite or NaN where the sum of the values is."""
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(self.deviations.sum())
        return self.pivot + total / self.present if self.present else float("nan")

    @cached_property
    def variance(self) -> float:
        """Population variance. NaN where nothing is present; infinite or NaN where the sum of the squares is."""
        if not self.present:
            return float("nan")
        shift = self.mean - self.pivot
        variance = float(self.squared_deviations) / self.present - shift * shift
        # Far from the pivot little of it survives rounding; no sample varies more than its range (Popoviciu, 1935).
        half = float(self.maximum) / 2 - float(self.minimum) / 2
        return min(max(0.0, variance), half * half) if np.isfinite(variance) else variance

    def regrouped(self, edges: Floats) -> Floats:
        """Counts over ``edges``. Raises ValueError where one is no edge of this summary."""
        return regrouped(self.counts, self.edges, edges)

    def below(self, edge: float) -> float:
        """Sum of ``edge - value`` over the values up to ``edge``, which must be one of the edges."""
        return self._gap(edge, slice(None, int(np.searchsorted(self.edges, edge)) + 1))

    def above(self, edge: float) -> float:
        """Sum of ``value - edge`` over the values above ``edge``, which must be one of the edges."""
        return -self._gap(edge, slice(int(np.searchsorted(self.edges, edge)) + 1, None))

    def _gap(self, edge: float, bins: slice) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            return float((edge - self.pivot) * self.counts[bins].sum() - self.deviations[bins].sum())


def _extent(numbers: PreparedNumbers, groups: Groups, size: int) -> tuple[Floats, Floats, Floats]:
    """Sum of squared deviations, minimum and maximum of each group."""
    values, deviations = numbers.values, numbers.deviations
    # Beyond 1e154 a square is infinite, and the variance withheld.
    with np.errstate(over="ignore", invalid="ignore"):
        if size == 1:
            return (
                np.array([deviations @ deviations]),
                np.array([np.fmin.reduce(values, initial=np.inf)]),
                np.array([np.fmax.reduce(values, initial=-np.inf)]),
            )
        squares = deviations * deviations
        minimum, maximum = np.full(size, np.inf), np.full(size, -np.inf)
        np.fmin.at(minimum, groups, values)
        np.fmax.at(maximum, groups, values)
        return count(groups, size, squares), minimum, maximum


_SMALLEST = 1e-5
_LARGEST = 1e8
_RATIO = 1.02
EDGES: Floats = np.geomspace(
    _SMALLEST, _LARGEST, 1 + int(np.ceil(np.log(_LARGEST / _SMALLEST) / np.log(_RATIO)))
)
_CELLS = Cells(EDGES)


@dataclass(frozen=True, eq=False)
class DurationSummary(Summary):
    """Seconds counted over ``EDGES``: 10 µs to 3 years in steps of 2 %, and one bin beyond each end."""

    total: Floats = merged_by(Merge.SUM)
    counts: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, seconds: Floats, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries; NaN and negative lengths are left out."""
        usable = seconds >= 0
        seconds, groups = seconds[usable], groups[usable]
        cells = _CELLS.find(seconds)
        return cls(
            total=count(groups, size, seconds), counts=count_cells(groups, size, cells, len(EDGES) + 1)
        )

    @property
    def present(self) -> float:
        return float(self.counts.sum())
