"""Steps of a replay: when they are, into which of them a time falls, and numbers that change from step to step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exporter.references.configured import HistoryWindows
from exporter.summary.base import Floats, Integers
from exporter.summary.windows import MICROSECONDS, Buckets, Window
from mlslo.monitor import Spec

BEFORE_ALL = int(np.iinfo(np.int64).min)
"""The step of what came before the first one, or nobody knows when."""


@dataclass(frozen=True)
class Grid:
    """Times that are a whole number of ``step`` away from ``anchor``, both in µs. That number names a step."""

    anchor: int
    step: int

    def time(self, number: int) -> int:
        """Return the time of a step, epoch µs."""
        return self.anchor + number * self.step

    def first_from(self, times: Integers) -> Integers:
        """Return the first step that is not before each of ``times`` (epoch µs)."""
        return -((self.anchor - times) // self.step)


class StepBuckets(Buckets):
    """Buckets of which each window at each step is made exactly.

    They end where any window begins or ends at any step: where all lengths are multiples of the step, at the steps.
    """

    def __init__(self, spec: Spec, grid: Grid) -> None:
        self._lengths = {window: int(window.seconds * MICROSECONDS) for window in spec.windows}
        self._history = HistoryWindows(spec.references)
        super().__init__([*(window.seconds for window in spec.windows), *self._history.spans])
        self._grid = grid
        months = {name for name, item in spec.references.items() if item.calendar is not None}
        self._months = bool(months)
        edges = [
            edge
            for window in self.windows(0)
            if not (window.reference and window.name in months)
            for edge in (window.start, window.end)
        ]
        self._within = np.unique(np.array(edges, dtype=np.int64) % grid.step)

    def windows(self, end: int) -> list[Window]:
        """Return the windows that end at ``end`` (epoch µs), and those that they are compared with."""
        own = [Window(name, end - length, end) for name, length in self._lengths.items()]
        return [*own, *self._history.windows(end)]

    def start(self, times: Integers, now: int, cuts: Sequence[int] = ()) -> Integers:
        """The start of the bucket of each of ``times``, in epoch µs; the same whatever ``now`` is."""
        rest = (times - self._grid.anchor) % self._grid.step
        # A window ends at each step: 0 is the first of them.
        starts: Integers = times - rest + self._within[np.searchsorted(self._within, rest, side="right") - 1]
        if self._months:
            months = times.astype("datetime64[us]").astype("datetime64[M]").astype("datetime64[us]")
            starts = np.maximum(starts, months.astype(np.int64))
        return starts


class Track:
    """A number that changes at some steps: the sum of amounts so far, or with ``highest`` the largest of them."""

    def __init__(self, *, highest: bool = False) -> None:
        self._combine = np.maximum if highest else np.add
        self._parts: list[tuple[Integers, Floats | Integers]] = []
        self._steps, self._values = np.empty(0, dtype=np.int64), np.empty(0)

    def add(self, steps: Integers, amounts: Floats | Integers) -> None:
        """Add ``amounts`` at ``steps``; arrays of shape (rows,)."""
        if len(steps):
            self._parts.append(self._by_step(steps, amounts))

    def merge(self, other: Track) -> None:
        """Add all that ``other`` was given; neither was asked for a number yet."""
        self._parts += other._parts
        if self._parts:
            self._parts = [self._whole()]

    def at(self, step: int) -> float | None:
        """Return the number as of ``step``; None where nothing came by then."""
        if self._parts:
            self._settle()
        position = int(np.searchsorted(self._steps, step, side="right"))
        return self._values[position - 1].item() if position else None

    def _settle(self) -> None:
        steps, amounts = self._whole()
        self._parts = []
        self._steps, self._values = steps, self._combine.accumulate(amounts)

    def _whole(self) -> tuple[Integers, Floats | Integers]:
        steps, amounts = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        return self._by_step(steps, amounts)

    def _by_step(self, steps: Integers, amounts: Floats | Integers) -> tuple[Integers, Floats | Integers]:
        order = np.argsort(steps, kind="stable")
        found, first = np.unique(steps[order], return_index=True)
        return found, self._combine.reduceat(amounts[order], first)


Tracks = Mapping[Any, "Track | Tracks"]
"""Tracks of many things, by what they are of."""


def merge(into: Any, other: Tracks) -> None:
    """Add to tracks ``into`` all that ``other`` was given."""
    for key, found in other.items():
        if not isinstance(found, Track):
            merge(into.setdefault(key, {}), found)
        elif key in into:
            into[key].merge(found)
        else:
            into[key] = found
