"""Several summaries of the same rows as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Merge, Summary


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
    def _extremes(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        rules = np.array([rule.value for part in self._parts.values() for rule in part.rules()])
        return np.flatnonzero(rules == Merge.MINIMUM.value), np.flatnonzero(rules == Merge.MAXIMUM.value)

    def merge_vectors(self, one: Floats, other: Floats) -> Floats:
        """The vector of the sum of two composites shaped like this one, without building them."""
        minima, maxima = self._extremes
        merged = one + other
        merged[minima] = np.minimum(one[minima], other[minima])
        merged[maxima] = np.maximum(one[maxima], other[maxima])
        return merged

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
