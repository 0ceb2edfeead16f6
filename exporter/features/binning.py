"""Binnings: the edges, categories, slots or dimensions over which a feature view is counted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Codes, Columns, Flags, Floats, Groups, Rows, Summary, count
from exporter.summary.categorical import UNSEEN, CategoricalSummary
from exporter.summary.cells import Cells
from exporter.summary.embedding import EmbeddingSummary
from exporter.summary.hashed import VocabularySummary
from exporter.summary.numeric import NumericSummary, PreparedNumbers

IsOutside = Callable[[Any], Flags]

_SHARE = 2.0**-20


class Binning(ABC):
    """Counts the values of one feature view. Summaries over equal binnings merge.

    ``prepare`` does once what every grouping of the same rows needs. What it returns is indexed by rows (ascending
    indices, or a slice), as an array is.
    """

    @abstractmethod
    def nothing(self) -> Any:
        """Return the values of no rows."""

    def empty(self) -> Summary:
        """Return the summary of no rows."""
        stack = self.fold(self.prepare(self.nothing()), np.empty(0, dtype=np.intp), 1)
        return stack[0]

    def prepare(self, values: Any) -> Any:
        """Convert ``values``, as a feature kind decodes them, to what ``fold`` takes."""
        return values

    @abstractmethod
    def fold(self, prepared: Any, groups: Groups, size: int) -> Summary:
        """Return a stack of ``size`` summaries; row i goes to ``groups[i]``."""

    @staticmethod
    def common(binnings: Sequence[Any]) -> Binning:
        """``common_binning`` of some of this class."""
        found: Binning = binnings[0]
        return found

    def is_outside(self, summary: Any) -> IsOutside | None:
        """Return a test for decoded values that are like none that ``summary`` counts; None where any may come."""
        return None


def common_binning(binnings: Sequence[Binning]) -> Binning:
    """Return the binning in which counts over each of ``binnings`` can be compared: all edges, or all categories.

    Raises ValueError where they are of different types, or of different dimensions.
    """
    if len(set(map(type, binnings))) != 1:
        raise ValueError("expected references of one type")
    return binnings[0].common(binnings)


@dataclass(frozen=True)
class Numbers(Columns):
    """``values``: float64, NaN where missing. ``invalid``: where it is NaN because the value is no number."""

    values: Floats
    invalid: Flags | None = None


@dataclass(frozen=True, eq=False)
class NumericBinning(Binning):
    """``edges``: all that any reference needs. ``pivot``: near the values, for sums without cancellation."""

    edges: Floats
    pivot: float

    @classmethod
    def without_edges(cls) -> NumericBinning:
        """Return the binning of numbers of which no reference is known: one bin."""
        return cls(np.empty(0), 0.0)

    def ranged(self, low: float, high: float) -> NumericBinning:
        """Return a binning that can tell the values outside of [low, high] as well."""
        pivot = self.pivot if len(self.edges) else low / 2 + high / 2
        return NumericBinning(np.union1d(self.edges, (np.nextafter(low, -np.inf), high)), pivot)

    def nothing(self) -> Floats:
        return np.empty(0)

    @cached_property
    def _cells(self) -> Cells:
        return Cells(self.edges)

    def prepare(self, values: Numbers | Floats) -> PreparedNumbers:
        numbers = values if isinstance(values, Numbers) else Numbers(values)
        return PreparedNumbers.of(self._cells, self.pivot, numbers.values, numbers.invalid)

    def fold(self, prepared: PreparedNumbers, groups: Groups, size: int) -> NumericSummary:
        return NumericSummary.fold_prepared(prepared, groups, size)

    @staticmethod
    def common(binnings: Sequence[NumericBinning]) -> NumericBinning:
        return NumericBinning(reduce(np.union1d, [item.edges for item in binnings]), binnings[0].pivot)

    def is_outside(self, summary: NumericSummary) -> IsOutside:
        low, high = float(summary.minimum), float(summary.maximum)
        return lambda numbers: (numbers.values < low) | (numbers.values > high)


@dataclass(frozen=True)
class CategoricalBinning(Binning):
    """``categories``: all that any reference has seen. Values: their indices, MISSING or UNSEEN."""

    categories: tuple[str, ...]

    def nothing(self) -> Codes:
        return np.empty(0, dtype=np.intp)

    def prepare(self, values: npt.NDArray[np.integer]) -> Codes:
        return values.astype(np.intp, copy=False)

    def fold(self, prepared: Codes, groups: Groups, size: int) -> CategoricalSummary:
        return CategoricalSummary.fold(self.categories, prepared, groups, size)

    @staticmethod
    def common(binnings: Sequence[CategoricalBinning]) -> CategoricalBinning:
        return CategoricalBinning(_distinct(item.categories for item in binnings))

    def is_outside(self, summary: CategoricalSummary) -> IsOutside:
        seen = dict(zip(summary.categories, summary.counts, strict=True))
        # MISSING and UNSEEN count from the end.
        new = np.array([not seen.get(name) for name in self.categories] + [False, not summary.unseen])
        if not new[:-1].any() and new[-1]:
            return lambda codes: np.asarray(codes == UNSEEN)
        return lambda codes: new[codes]


@dataclass(frozen=True)
class MixBinning(Binning):
    """Values: amounts of each category, shape (rows, categories); a row of NaN is missing.

    A row counts as one, in shares of what it holds: a long value weighs no more than a short one. Shares are
    rounded to 2**-20, so that sums are exact (to 2**33 rows) whatever their order.
    """

    categories: tuple[str, ...]

    def nothing(self) -> Floats:
        return np.empty((0, len(self.categories)))

    def prepare(self, values: Floats) -> Floats:
        total = values.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            shares: Floats = np.round(values / total / _SHARE) * _SHARE
        # The largest share takes what rounding lost.
        largest = np.argmax(shares, axis=1)
        shares[np.arange(len(shares)), largest] += 1.0 - shares.sum(axis=1)
        return shares

    def fold(self, prepared: Floats, groups: Groups, size: int) -> CategoricalSummary:
        missing = np.isnan(prepared).any(axis=1)
        shares, members = prepared[~missing], groups[~missing]
        counts = [count(members, size, shares[:, position]) for position in range(len(self.categories))]
        return CategoricalSummary(
            categories=self.categories,
            missing=count(groups[missing], size),
            unseen=np.zeros(size),
            counts=np.stack(counts, axis=1),
        )

    @staticmethod
    def common(binnings: Sequence[MixBinning]) -> MixBinning:
        return MixBinning(_distinct(item.categories for item in binnings))


def _distinct(categories: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for some in categories for name in some))


@dataclass(frozen=True)
class Tokens:
    """``slots``: of all tokens, row by row. ``numbers``: tokens of each row. ``missing``: rows without a text."""

    slots: Codes
    numbers: Codes
    missing: Flags

    def __getitem__(self, rows: Rows) -> Tokens:
        taken = np.zeros(len(self.numbers), dtype=bool)
        taken[rows] = True
        return Tokens(self.slots[np.repeat(taken, self.numbers)], self.numbers[rows], self.missing[rows])


@dataclass(frozen=True)
class VocabularyBinning(Binning):
    """Tokens, counted in a fixed number of hashed slots."""

    def nothing(self) -> Tokens:
        return Tokens(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp), np.empty(0, dtype=bool))

    def fold(self, prepared: Tokens, groups: Groups, size: int) -> VocabularySummary:
        owners = np.repeat(np.arange(len(prepared.numbers)), prepared.numbers)
        return VocabularySummary.fold(prepared.slots, owners, prepared.missing, groups, size)


@dataclass(frozen=True)
class Vectors:
    """``usable``: shape (rows that are neither ``missing`` nor ``invalid``, dimensions)."""

    usable: Floats
    missing: Flags
    invalid: Flags

    def __getitem__(self, rows: Rows) -> Vectors:
        usable = ~(self.missing | self.invalid)
        if isinstance(rows, slice):
            rows = np.arange(len(usable))[rows]
        at = np.cumsum(usable) - 1
        return Vectors(self.usable[at[rows[usable[rows]]]], self.missing[rows], self.invalid[rows])


@dataclass(frozen=True)
class EmbeddingBinning(Binning):
    """``dimensions``: of every usable vector."""

    dimensions: int

    def nothing(self) -> Vectors:
        return Vectors(np.empty((0, self.dimensions)), np.empty(0, dtype=bool), np.empty(0, dtype=bool))

    def fold(self, prepared: Vectors, groups: Groups, size: int) -> EmbeddingSummary:
        return EmbeddingSummary.fold(prepared.usable, prepared.missing, prepared.invalid, groups, size)

    @staticmethod
    def common(binnings: Sequence[EmbeddingBinning]) -> EmbeddingBinning:
        if len(set(binnings)) > 1:
            found = " and ".join(map(str, sorted({item.dimensions for item in binnings})))
            raise ValueError(f"vectors of {found} dimensions do not compare")
        return binnings[0]
