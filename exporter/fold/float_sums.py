"""Summaries of state files of schema 6 and before, whose sums were single floats: the same as exact sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exporter.summary.base import Composite, Floats, Summary
from exporter.summary.sums import CELLS, sums

_EXACT = "_limbs"


def width_of_floats(part: Summary) -> int:
    """Return how long the vector of ``part`` was when each of its exact sums was a float."""
    return sum(size // CELLS if exact else size for size, exact in _fields(part))


@dataclass(frozen=True)
class FloatSums:
    """A shape before its sums were exact. ``digest``: of then. ``empty``: the composite of nothing, of now."""

    digest: str
    empty: Composite

    @cached_property
    def neutral(self) -> Floats:
        """The vector of nothing of then, shape (width of then,)."""
        parts = []
        vector, start = self.empty.vector(), 0
        for _, part in self.empty.items():
            for size, exact in _fields(part):
                parts.append(np.zeros(size // CELLS) if exact else vector[start : start + size])
                start += size
        return np.concatenate(parts)

    def converted(self, vector: Floats) -> Floats:
        """Return a vector of then as one of now; sums keep the digits that they had."""
        parts, start = [], 0
        for _, part in self.empty.items():
            for size, exact in _fields(part):
                width = size // CELLS if exact else size
                numbers = vector[start : start + width]
                parts.append(sums(np.arange(width), width, numbers).ravel() if exact else numbers)
                start += width
        return np.concatenate(parts)


def _fields(part: Summary) -> Iterator[tuple[int, bool]]:
    """Yield the length of each array in the vector of ``part``, and whether it is of exact sums."""
    for name in part.merged_fields():
        yield int(np.size(getattr(part, name))), name.endswith(_EXACT)
