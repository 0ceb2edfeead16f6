"""Find the cell between fixed edges that each value lies in, ten times as fast as a binary search."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats

_SLOTS = 4096
# Widths whose slots have neither zero nor infinite width.
_SMALLEST_WIDTH, _LARGEST_WIDTH = 1e-300, 1e300
_BLOCK = 8192  # so many values at a time stay in the processor's cache

Slots = npt.NDArray[np.intp]


class _Linear:
    """Slots of equal width from ``low`` to ``high``, ascending; what lies beyond is in the outer ones."""

    cost = 2

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        self._factor = (_SLOTS - 1) / (high - low)

    def slots(self, values: Floats) -> Slots:
        positions = np.maximum(values, self._low)
        np.minimum(positions, self._high, out=positions)
        positions -= self._low
        positions *= self._factor
        return positions.astype(np.intp)


class _Logarithmic:
    """Slots of about equal ratio, ascending: floats sort as the whole numbers that have their bits."""

    cost = 4

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = _ordered(np.array([low, high]))
        self._shift = max(0, (int(self._high) - int(self._low)).bit_length() - _SLOTS.bit_length() + 1)

    def slots(self, values: Floats) -> Slots:
        # The difference of two ordered numbers can leave int64, but never uint64.
        numbers = _ordered(values)
        np.maximum(numbers, self._low, out=numbers)
        np.minimum(numbers, self._high, out=numbers)
        positions = numbers.view(np.uint64)
        positions -= self._low.view(np.uint64)
        positions >>= np.uint64(self._shift)
        return positions.view(np.int64)


def _ordered(values: Floats) -> npt.NDArray[np.int64]:
    """Whole numbers in the order of ``values``."""
    bits = values.view(np.int64)
    return bits ^ ((bits >> 63) & np.iinfo(np.int64).max)


class Cells:
    """Finds what ``numpy.searchsorted(edges, values)`` finds: cell i holds edges[i - 1] < value <= edges[i].

    ``edges``: ascending, finite. A grid tells where among the edges to begin; where few edges share a slot of the
    grid, one or two comparisons end the search. The values of crowded slots are searched for as usual.
    """

    def __init__(self, edges: Floats) -> None:
        self.edges = edges
        self._edges = edges + 0.0  # -0.0 becomes 0.0, which it equals
        self._beyond = np.append(self._edges, np.inf)

    @cached_property
    def _grid(self) -> _Grid | None:
        grids = [_Grid(self._edges, scale, steps) for scale in _scales(self._edges) for steps in (1, 2, 3)]
        return min(grids, key=lambda grid: grid.cost, default=None)

    def find(self, values: Floats) -> Slots:
        """The cell of each finite value, 0 to the number of edges; shape (rows,)."""
        found = np.empty(len(values), dtype=np.intp)
        for start in range(0, len(values), _BLOCK):
            block = slice(start, start + _BLOCK)
            found[block] = self._find(values[block])
        return found

    def _find(self, values: Floats) -> Slots:
        grid = self._grid
        if grid is None:
            return np.searchsorted(self._edges, values)
        slots = grid.scale.slots(values)
        cells = grid.first.take(slots)
        for _ in range(grid.steps):
            cells += values > self._beyond.take(cells)
        if grid.crowded is not None:
            crowded = np.flatnonzero(grid.crowded.take(slots))
            cells[crowded] = np.searchsorted(self._edges, values[crowded])
        return cells


class _Grid:
    """A scale with the cell that each slot begins in.

    ``steps``: comparisons that end the search in all slots but the ``crowded`` ones, None where there are none.
    ``cost``: nanoseconds for each value, about, where as many values lie between any two edges.
    """

    def __init__(self, edges: Floats, scale: _Linear | _Logarithmic, steps: int) -> None:
        taken = np.bincount(scale.slots(edges), minlength=_SLOTS)
        crowded = taken > steps
        self.scale = scale
        self.steps = steps
        self.first = np.concatenate([[0], np.cumsum(taken)[:-1]])
        self.crowded = crowded if crowded.any() else None
        self.cost = scale.cost + 2 * steps + (3 + 60 * taken[crowded].sum() / len(edges)) * crowded.any()


def _scales(edges: Floats) -> Iterator[_Linear | _Logarithmic]:
    """Over all edges, and over all but the outer ones, which one enormous value can have far away."""
    for cut in (0, len(edges) // 100 + 1):
        low, high = edges[cut : len(edges) - cut or None][[0, -1]] if len(edges) > 2 * cut + 1 else (0.0, 0.0)
        if low < high:
            yield _Logarithmic(low, high)
            if _SMALLEST_WIDTH < high / 2 - low / 2 < _LARGEST_WIDTH:
                yield _Linear(low, high)
