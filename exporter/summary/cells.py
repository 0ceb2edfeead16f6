"""Find the cell between fixed edges that each value lies in, several times as fast as a binary search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exporter.summary.base import Codes, Floats

_SLOTS = 4096
_MOST_STEPS = 3
# Widths whose slots have neither zero nor infinite width.
_SMALLEST_WIDTH, _LARGEST_WIDTH = 1e-300, 1e300
_BLOCK = 8192  # so many values at a time stay in the processor's cache


class Cells:
    """Finds what ``numpy.searchsorted(edges, values)`` finds: cell i holds edges[i - 1] < value <= edges[i].

    ``edges``: ascending, finite. A grid tells where among the edges to begin; where few edges share a slot of the
    grid, as many comparisons end the search. The values of crowded slots are searched for as usual.
    """

    def __init__(self, edges: Floats) -> None:
        self.edges = edges
        self._edges = edges + 0.0  # -0.0 becomes 0.0, which it equals
        self._beyond = np.append(self._edges, np.inf)

    @cached_property
    def _grid(self) -> _Grid | None:
        return min(_grids(self._edges), key=lambda grid: grid.share, default=None)

    def find(self, values: Floats) -> Codes:
        """The cell of each finite value, 0 to the number of edges; shape (rows,)."""
        found = np.empty(len(values), dtype=np.intp)
        for start in range(0, len(values), _BLOCK):
            block = slice(start, start + _BLOCK)
            found[block] = self._find(values[block])
        return found

    def _find(self, values: Floats) -> Codes:
        grid = self._grid
        if grid is None:
            return np.searchsorted(self._edges, values)
        slots = grid.slots(values)
        cells = grid.first.take(slots)
        for _ in range(grid.steps):
            cells += values > self._beyond.take(cells)
        if grid.share:
            crowded = np.flatnonzero(grid.crowded.take(slots))
            cells[crowded] = np.searchsorted(self._edges, values[crowded])
        return cells


@dataclass
class _Grid:
    """Slots of equal width on a ``scale``, from ``low`` to ``high``; what lies beyond is in the outer ones.

    ``first``: the cell that each slot begins in. ``steps``: comparisons that end the search, but for slots that are
    ``crowded``; ``share``: of the edges there.
    """

    scale: Callable[[Floats], Floats]
    low: float
    high: float

    def slots(self, values: Floats) -> Codes:
        positions = np.maximum(self.scale(values), self.low)
        np.minimum(positions, self.high, out=positions)
        positions -= self.low
        positions *= (_SLOTS - 1) / (self.high - self.low)
        return positions.astype(np.intp)

    def lay(self, edges: Floats) -> _Grid:
        """Lay the grid over ``edges``."""
        taken = np.bincount(self.slots(edges), minlength=_SLOTS)
        self.first = np.cumsum(taken) - taken
        self.steps = min(int(taken.max()), _MOST_STEPS)
        self.crowded = taken > self.steps
        self.share = taken[self.crowded].sum() / len(edges)
        return self


def _grids(edges: Floats) -> Iterator[_Grid]:
    """Over all edges, and over all but the outer ones, which one enormous value can have far away."""
    for scale in (np.asarray, _bits):
        for cut in (0, len(edges) // 100 + 1):
            inner = scale(edges[cut : len(edges) - cut])
            if len(inner) > 1 and _SMALLEST_WIDTH < inner[-1] / 2 - inner[0] / 2 < _LARGEST_WIDTH / 2:
                yield _Grid(scale, inner[0], inner[-1]).lay(edges)


def _bits(values: Floats) -> Floats:
    """Numbers in the order of ``values``, about as far apart as their logarithms: floats sort as their bits do."""
    bits = values.view(np.int64)
    return (bits ^ ((bits >> 63) & np.iinfo(np.int64).max)).astype(np.float64)
