"""Several summaries of the same rows as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    def _extremes(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        return np.flatnonzero(self._rules == _MINIMUM), np.flatnonzero(self._rules == _MAXIMUM)

    def merge_numbers(self, into: Floats, places: slice | npt.NDArray[Any], numbers: Floats) -> None:
        """Merge ``numbers`` into those at ``places`` of the vector ``into`` of a composite shaped like this one.

        No place comes twice. Sums that leave the numbers there are become infinite.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            if isinstance(places, slice) and places == slice(None):
                self._merge_all(into, numbers)
            else:
                self._merge_numbers(into, places, numbers)

    def _merge_all(self, into: Floats, numbers: Floats) -> None:
        low, high = self._extremes
        smallest, largest = np.minimum(into[low], numbers[low]), np.maximum(into[high], numbers[high])
        into += numbers
        into[low], into[high] = smallest, largest

    def _merge_numbers(self, into: Floats, places: slice | npt.NDArray[Any], numbers: Floats) -> None:
        rules = self._rules[places]
        extremes = np.flatnonzero(rules)
        if not len(extremes):
            into[places] += numbers
            return
        before = into[places] if isinstance(places, np.ndarray) else into[places].copy()
        merged = before + numbers
        smallest, largest = rules == _MINIMUM, rules == _MAXIMUM
        merged[smallest] = np.minimum(before[smallest], numbers[smallest])
        merged[largest] = np.maximum(before[largest], numbers[largest])
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
