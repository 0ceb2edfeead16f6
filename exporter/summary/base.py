"""Base class of summaries: arrays merged by sum, minimum or maximum; and several of the same rows as one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from functools import cache, cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Groups = Codes
Rows = Codes | slice


@dataclass(frozen=True)
class Columns:
    """Base class of columns of the same rows: arrays, other columns, and mappings of either."""

    def take(self, rows: Rows) -> Self:
        """Return some rows, by ascending index or as a slice."""
        columns = {item.name: getattr(self, item.name) for item in fields(self)}
        if not isinstance(rows, slice) and len(rows) == len(next(iter(columns.values()))):
            return self
        return replace(self, **{name: taken(column, rows) for name, column in columns.items()})


def taken(column: Any, rows: Rows) -> Any:
    """Return some rows, by ascending index or as a slice, of an array, of columns, or of each of a mapping."""
    match column:
        case dict():
            return {name: taken(values, rows) for name, values in column.items()}
        case Columns():
            return column.take(rows)
    return None if column is None else column[rows]


class Merge(Enum):
    """Rule by which the arrays of two summaries become the array of their union."""

    SUM = 0
    MINIMUM = 1
    MAXIMUM = 2


_MERGE = {Merge.SUM: np.add, Merge.MINIMUM: np.minimum, Merge.MAXIMUM: np.maximum}


def merged_by(rule: Merge) -> Any:
    """Declare a dataclass field that merges by ``rule``; other fields are constants that must be equal."""
    return field(metadata={"merge": rule})


@dataclass(frozen=True, eq=False)
class Summary:
    """Base of the families. An element of a commutative monoid: ``a + b`` is the summary of both.

    Every merged field is a float64 array (counts are whole numbers, exact to 2**53). A summary may be a
    *stack*: one more leading axis, the same in all its arrays, with one summary per group of rows;
    ``stack[i]`` is one of them.
    """

    @classmethod
    @cache
    def _declared(cls) -> tuple[dict[str, Merge], tuple[str, ...]]:
        """The merged fields with their rules, and the constants."""
        rules = {item.name: item.metadata["merge"] for item in fields(cls) if "merge" in item.metadata}
        return rules, tuple(item.name for item in fields(cls) if item.name not in rules)

    def __add__(self, other: Self) -> Self:
        rules, constants = self._declared()
        for name in constants:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not theirs and not np.array_equal(mine, theirs):
                raise ValueError(f"summaries with different {name} do not merge")
        return replace(
            self,
            **{name: _MERGE[rule](getattr(self, name), getattr(other, name)) for name, rule in rules.items()},
        )

    def __getitem__(self, index: int) -> Self:
        return replace(self, **{name: getattr(self, name)[index] for name in self._declared()[0]})

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        rules, constants = self._declared()
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in (*constants, *rules))

    @classmethod
    def merged_fields(cls) -> tuple[str, ...]:
        """Return the names of the merged arrays, in the order of ``vector``."""
        return tuple(cls._declared()[0])

    def vector(self) -> Floats:
        """All merged arrays as one flat float64 array."""
        return np.concatenate(
            [np.ravel(getattr(self, name)) for name in self._declared()[0]], dtype=np.float64
        )

    def stack_vectors(self) -> Floats:
        """``vector`` of each summary of a stack; shape (size, width)."""
        arrays = [getattr(self, name) for name in self._declared()[0]]
        return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1, dtype=np.float64)

    def rules(self) -> npt.NDArray[np.uint8]:
        """Return the value of the rule by which each number of ``vector`` merges."""
        rules, _ = self._declared()
        values = np.array([rule.value for rule in rules.values()], dtype=np.uint8)
        return np.repeat(values, [np.size(getattr(self, name)) for name in rules])

    def with_vector(self, vector: Floats) -> Self:
        """The inverse of ``vector``: a summary shaped like this one, holding ``vector``."""
        arrays: dict[str, Floats] = {}
        start = 0
        for name in self._declared()[0]:
            shape = np.shape(getattr(self, name))
            size = math.prod(shape)
            arrays[name] = vector[start : start + size].reshape(shape)
            start += size
        return replace(self, **arrays)

    def signature(self) -> bytes:
        """Of the constants: summaries where it differs do not merge."""
        parts = [getattr(self, name) for name in self._declared()[1]]
        return b"\0".join(
            part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode() for part in parts
        )


def count(groups: Groups, size: int, weights: Floats | None = None) -> Floats:
    """Rows (or the sum of ``weights``) per group, as float64 of shape (size,)."""
    if size == 1 and weights is None:
        return np.array([len(groups)], dtype=np.float64)
    return np.bincount(groups, weights=weights, minlength=size).astype(np.float64, copy=False)


def count_cells(groups: Groups, size: int, cells: Codes, width: int, weights: Floats | None = None) -> Floats:
    """Rows (or the sum of ``weights``) per (group, cell), as float64 of shape (size, width)."""
    places = cells if size == 1 else groups * width + cells
    return np.bincount(places, weights, size * width).astype(np.float64, copy=False).reshape(size, width)


def finite(value: float) -> float | None:
    """``value``, or None where it is infinite or NaN."""
    return value if math.isfinite(value) else None


def ratio(part: float | Floats, whole: float | Floats) -> float | None:
    """``part`` over ``whole``, or None where that is 0."""
    return float(part) / float(whole) if whole else None


def quotients(parts: Floats, wholes: Floats, otherwise: float = np.nan) -> Floats:
    """``parts`` over ``wholes``; ``otherwise`` where that is not above 0. Arrays of one shape."""
    out = np.full(wholes.shape, otherwise)
    np.divide(parts, wholes, out=out, where=wholes > 0)
    return out


def regrouped(counts: Floats, edges: Floats, onto: Floats) -> Floats:
    """Counts over ``edges`` as counts over ``onto``, a subset of them; shape (onto + 1,).

    Raises ValueError where an edge of ``onto`` is none of ``edges``.
    """
    if onto is edges or np.array_equal(onto, edges):
        return counts
    at = np.searchsorted(edges, onto)
    if np.any(at >= len(edges)) or not np.array_equal(edges[at], onto):
        raise ValueError("counts can only be regrouped over a subset of their edges")
    below = np.concatenate([[0.0], np.cumsum(counts)])
    return np.diff(np.concatenate([[0.0], below[at + 1], below[-1:]]))


class Composite(dict[str, Any]):
    """Named summaries that are folded, merged and stored together; itself a monoid."""

    def __add__(self, other: Self) -> Self:
        return type(self)({name: part + other[name] for name, part in self.items()})

    def vector(self) -> Floats:
        """All parts as one flat float64 array."""
        return np.concatenate([part.vector() for part in self.values()])

    def stack_vectors(self) -> Floats:
        """``vector`` of each summary of a stack; shape (size, width)."""
        return np.concatenate([part.stack_vectors() for part in self.values()], axis=1)

    @cached_property
    def _rules(self) -> npt.NDArray[np.uint8]:
        return np.concatenate([part.rules() for part in self.values()])

    @cached_property
    def _all_extremes(self) -> tuple[Codes, Codes]:
        return _extremes(self._rules)

    def merge_numbers(self, into: Floats, places: slice | npt.NDArray[Any], numbers: Floats) -> None:
        """Merge ``numbers`` into those at ``places`` of the vector ``into`` of a composite shaped like this one.

        ``places``: indices, none of which comes twice, or the slice of all. Sums that leave the numbers there are
        become infinite.
        """
        low, high = self._all_extremes if isinstance(places, slice) else _extremes(self._rules[places])
        with np.errstate(over="ignore", invalid="ignore"):
            before = into[places]
            merged = before + numbers
            merged[low] = np.minimum(before[low], numbers[low])
            merged[high] = np.maximum(before[high], numbers[high])
            into[places] = merged

    def correction(self, before: Floats, after: Floats) -> Floats:
        """Return what is merged into summaries in which rows count as ``after`` that counted as ``before``.

        Vectors of composites shaped like this one, shape (size, width). A sum of whole numbers becomes what it had been
        had the rows never been others; minima and maxima cannot be corrected, and must be the same in both.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            found: Floats = after - before
        for extremes in self._all_extremes:
            found[:, extremes] = after[:, extremes]
        return found

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return {name: part.vector().size for name, part in self.items()}

    def with_vector(self, vector: Floats) -> Self:
        """The inverse of ``vector`` for a composite shaped like this one."""
        parts: dict[str, Summary] = {}
        start = 0
        for name, part in self.items():
            size = self._sizes[name]
            parts[name] = part.with_vector(vector[start : start + size])
            start += size
        return type(self)(parts)

    def merge_all(self, into: Floats, places: npt.NDArray[Any], numbers: Floats) -> None:
        """``merge_numbers`` of many vectors, one after the other: a place comes as often as there are numbers of it."""
        low, high = _extremes(self._rules[places])
        before = into[self._extreme_places]
        with np.errstate(over="ignore", invalid="ignore"):
            into += np.bincount(places, numbers, into.size)
            into[self._extreme_places] = before
            np.minimum.at(into, places[low], numbers[low])
            np.maximum.at(into, places[high], numbers[high])

    @cached_property
    def _extreme_places(self) -> Codes:
        return np.concatenate(self._all_extremes)


def _extremes(rules: npt.NDArray[np.uint8]) -> tuple[Codes, Codes]:
    """Positions of minima and of maxima."""
    return np.flatnonzero(rules == Merge.MINIMUM.value), np.flatnonzero(rules == Merge.MAXIMUM.value)


@dataclass(frozen=True, eq=False)
class Shape:
    """``kind``: what is counted (traffic, outcome, ...). ``digest``: names the edges and categories counted over.

    ``empty``: the composite of nothing. Summaries of different digests do not merge.
    """

    kind: str
    digest: str
    empty: Composite

    @cached_property
    def neutral(self) -> Floats:
        """The vector of nothing, shape (width,)."""
        return self.empty.vector()
