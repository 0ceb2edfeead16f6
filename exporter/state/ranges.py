"""Sums of time buckets, kept from cycle to cycle: a cycle pays for the buckets that come and go."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from exporter.summary.base import Floats
from exporter.summary.shape import Shape


@dataclass
class Range:
    """``vector``: the merge of the buckets that start at ``starts``."""

    vector: Floats
    starts: set[int] = field(default_factory=set)


class Ranges:
    """Ranges by series (whose buckets) and position. What is written to a bucket reaches the ranges that hold it."""

    def __init__(self) -> None:
        self._ranges: dict[Hashable, dict[int, Range]] = {}

    def get(self, series: Hashable, position: int, starts: set[int]) -> Range | None:
        """The range at ``position``, or None where it holds a bucket that is not among ``starts`` any more."""
        found = self._ranges.get(series, {}).get(position)
        return found if found is not None and found.starts <= starts else None

    def keep(self, series: Hashable, position: int, merged: Range) -> None:
        """Replace the range at ``position``."""
        self._ranges.setdefault(series, {})[position] = merged

    def added(self, series: Hashable, start: int, vector: Floats, shape: Shape) -> None:
        """``vector`` was merged into the bucket at ``start``."""
        for merged in self._ranges.get(series, {}).values():
            if start in merged.starts:
                shape.empty.merge_numbers(merged.vector, slice(None), vector)

    def moved(
        self, series: Hashable, start: int, target: int, vector: Floats, shape: Shape, *, into_new: bool
    ) -> None:
        """The bucket at ``start``, holding ``vector``, became part of the one at ``target``."""
        ranges = self._ranges.get(series, {})
        for position, merged in list(ranges.items()):
            if start in merged.starts and (into_new or target in merged.starts):
                merged.starts.discard(start)
                merged.starts.add(target)
            elif start in merged.starts:
                del ranges[position]
            elif target in merged.starts:
                shape.empty.merge_numbers(merged.vector, slice(None), vector)

    def dropped(self, series: Callable[[Hashable], bool], before: int | None = None) -> None:
        """The buckets of some series are gone: all, or those that start before ``before``."""
        for key in [key for key in self._ranges if series(key)]:
            kept = {
                position: merged
                for position, merged in self._ranges[key].items()
                if before is not None and min(merged.starts, default=before) >= before
            }
            if kept:
                self._ranges[key] = kept
            else:
                del self._ranges[key]

    def clear(self) -> None:
        """Forget all; for when what was written may not have been committed."""
        self._ranges.clear()
