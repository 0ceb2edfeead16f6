"""Base class of summaries: arrays merged by sum, minimum or maximum."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Groups = npt.NDArray[np.intp]
Rows = npt.NDArray[np.intp] | slice


class Merge(Enum):
    """Rule by which the arrays of two summaries become the array of their union."""

    SUM = "sum"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"


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

    _least_axes: ClassVar[int] = 0
    """Of the merged field that has fewest, in a single summary."""

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
        rules, _ = self._declared()
        return replace(self, **{name: getattr(self, name)[index] for name in rules})

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        rules, constants = self._declared()
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in (*constants, *rules))

    def vector(self) -> Floats:
        """All merged arrays as one flat float64 array; a stack gives one row each."""
        rules, _ = self._declared()
        width = self._stack_axes()
        arrays = [np.asarray(getattr(self, name), dtype=np.float64) for name in rules]
        return np.concatenate([array.reshape(*array.shape[:width], -1) for array in arrays], axis=-1)

    def rules(self) -> list[tuple[Merge, int]]:
        """Return how the values of ``vector`` merge: rules and how many values each holds for, in order."""
        rules, _ = self._declared()
        return [(rule, int(np.size(getattr(self, name)))) for name, rule in rules.items()]

    def with_vector(self, vector: Floats) -> Self:
        """The inverse of ``vector``: a summary shaped like this one, holding ``vector``.

        Raises ValueError where the length does not fit.
        """
        rules, _ = self._declared()
        arrays: dict[str, Floats] = {}
        start = 0
        for name in rules:
            shape = np.shape(getattr(self, name))
            size = math.prod(shape)
            arrays[name] = vector[start : start + size].reshape(shape)
            start += size
        if start != vector.size:
            raise ValueError(f"expected {start} values, got {vector.size}")
        return replace(self, **arrays)

    def signature(self) -> bytes:
        """Of the constants: summaries where it differs do not merge."""
        parts = [getattr(self, name) for name in self._declared()[1]]
        return b"\0".join(
            part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode() for part in parts
        )

    def _stack_axes(self) -> int:
        """1 for a stack, 0 for a single summary."""
        rules, _ = self._declared()
        return min(np.ndim(getattr(self, name)) for name in rules) - self._least_axes


def count(groups: Groups, size: int, weights: Floats | None = None) -> Floats:
    """Rows (or the sum of ``weights``) per group, as float64 of shape (size,)."""
    if size == 1 and weights is None:
        return np.array([len(groups)], dtype=np.float64)
    return np.bincount(groups, weights=weights, minlength=size).astype(np.float64, copy=False)


def count_cells(groups: Groups, size: int, cells: npt.NDArray[np.intp], width: int) -> Floats:
    """Rows per (group, cell), as float64 of shape (size, width)."""
    places = cells if size == 1 else groups * width + cells
    return np.bincount(places, minlength=size * width).astype(np.float64, copy=False).reshape(size, width)


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
