"""Group rows by value of a segment and time bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Groups, Rows
from exporter.summary.composite import Shape

Integers = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]

# Of summaries that are folded at a time: 16 MB, and some five times as much on the way.
_MOST_NUMBERS = 2 << 20

_LONG_STRETCH = 1000


@dataclass(frozen=True)
class CycleTime:
    """When a cycle runs, in epoch µs.

    ``now``: where its windows end. ``latest``: events after this are from the future. ``cuts``: no bucket
    crosses them. ``measured``: ``now`` of the cycle before, None in the first.
    """

    now: int
    latest: int
    cuts: tuple[int, ...] = ()
    measured: int | None = None


@dataclass(frozen=True)
class BucketKeys:
    """Version, time bucket, and value of each segment and attribute of rows. Arrays of shape (rows,).

    ``time``: epoch µs; ``start``: of the bucket that it falls into. A value's code is negative where it is not known.
    """

    version: Integers
    time: Integers
    start: Integers
    values: dict[str, tuple[Indices, list[str]]]

    def take(self, rows: Indices) -> BucketKeys:
        """Return some rows, by index."""
        values = {name: (codes[rows], names) for name, (codes, names) in self.values.items()}
        return BucketKeys(self.version[rows], self.time[rows], self.start[rows], values)


def grouped(codes: Indices, starts: Integers) -> tuple[Groups, list[tuple[int, int]]]:
    """Return the group of each row, and each group's (code, bucket start)."""
    if not len(starts):
        return np.empty(0, dtype=np.intp), []
    # One number per pair: sorting pairs costs ten times as much. Starts count from the first, to fit into 64 bits.
    factor, first = int(codes.max()) + 1, int(starts.min())
    numbers, groups = np.unique((starts - first) * factor + codes, return_inverse=True)
    return groups.astype(np.intp), [
        (number % factor, number // factor + first) for number in numbers.tolist()
    ]


def portions(groups: Groups, size: int, shape: Shape) -> Iterator[tuple[Rows, Groups, int, int]]:
    """Yield rows, their groups, the first group and how many, so few at a time that their summaries fit into memory.

    A backlog of many versions has thousands of buckets, and a summary of outcomes is 260 kB. Long stretches of rows of
    one group, as logs in the order of time have them, come one by one: nothing of them need be copied or sorted.
    """
    if size * _LONG_STRETCH < len(groups) and np.all(groups[1:] >= groups[:-1]):
        ends = np.searchsorted(groups, np.arange(size), side="right").tolist()
        for group, (start, end) in enumerate(pairwise([0, *ends])):
            yield slice(start, end), np.zeros(end - start, dtype=np.intp), group, 1
        return
    step = max(1, _MOST_NUMBERS // shape.neutral.size)
    for first in range(0, size, step):
        number = min(step, size - first)
        if number == size:
            rows = np.arange(len(groups))
        else:
            rows = np.flatnonzero((groups >= first) & (groups < first + number))
        yield rows, groups[rows] - first, first, number
