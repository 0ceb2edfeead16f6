"""Several summaries of the same rows as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Merge, Summary

_MINIMUM, _MAXIMUM = 1, 2


class Composite(Mapping[str, Summary]):
    """Named parts that are folded, merged and stored together; itself a monoid."""

    def __init__(self, parts: Mapping[str, Summary]) -> None:
        self._parts = dict(parts)

    def __getitem__(self, name: str) -> Any:
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Composite) and self._parts == other._parts

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Self) -> Self:
        return type(self)({name: part + other[name] for name, part in self._parts.items()})

    def vector(self) -> Floats:
        """All parts as one flat float64 array; a stack gives one row each."""
        return np.concatenate([part.vector() for part in self._parts.values()], axis=-1)

    @cached_property
    def _rules(self) -> npt.NDArray[np.uint8]:
        codes = {Merge.SUM: 0, Merge.MINIMUM: _MINIMUM, Merge.MAXIMUM: _MAXIMUM}
        runs = [run for part in self._parts.values() for run in part.rules()]
        return np.repeat(
            np.array([codes[rule] for rule, _ in runs], dtype=np.uint8), [number for _, number in runs]
        )

    @cached_property
    def _all_extremes(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
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

    def with_vector(self, vector: Floats) -> Self:
        """The inverse of ``vector`` for a composite shaped like this one. Raises ValueError on a misfit."""
        parts: dict[str, Summary] = {}
        start = 0
        for name, part in self._parts.items():
            size = part.vector().size
            parts[name] = part.with_vector(vector[start : start + size])
            start += size
        if start != vector.size:
            raise ValueError(f"expected {start} values, got {vector.size}")
        return type(self)(parts)


def _extremes(rules: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Positions of minima and of maxima."""
    return np.flatnonzero(rules == _MINIMUM), np.flatnonzero(rules == _MAXIMUM)


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

    def composite(self, vector: Floats) -> Composite:
        """``vector`` as the composite that it is of."""
        return self.empty.with_vector(vector)
