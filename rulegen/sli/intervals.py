"""Sets of values of a gauge: unions of intervals, open or closed at either end."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class _End:
    """An end of an interval: ``value``, and on which side of it the interval ends (-1 before, 1 after)."""

    value: float
    side: int


@dataclass(frozen=True)
class Values:
    """A set of numbers, as (from, to) pairs in order that don't touch."""

    parts: tuple[tuple[_End, _End], ...]

    @classmethod
    def between(
        cls,
        low: float = -math.inf,
        high: float = math.inf,
        *,
        low_open: bool = False,
        high_open: bool = False,
    ) -> Values:
        """From ``low`` to ``high``; infinity stands for no limit. Empty where nothing is between."""
        start, end = _End(low, 1 if low_open else -1), _End(high, -1 if high_open else 1)
        return cls(((start, end),) if start < end else ())

    @property
    def lowest(self) -> float:
        return self.parts[0][0].value

    @property
    def highest(self) -> float:
        return self.parts[-1][1].value

    def __and__(self, other: Values) -> Values:
        met = (
            (max(start, begin), min(end, stop)) for start, end in self.parts for begin, stop in other.parts
        )
        return _joined(pair for pair in met if pair[0] < pair[1])

    def __or__(self, other: Values) -> Values:
        return _joined([*self.parts, *other.parts])

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __contains__(self, value: float) -> bool:
        return any(start < _End(value, 0) < end for start, end in self.parts)

    def __ge__(self, other: Values) -> bool:
        """Return whether all of ``other`` is in it."""
        return self & other == other


def _joined(parts: Iterable[tuple[_End, _End]]) -> Values:
    found: list[tuple[_End, _End]] = []
    for start, end in sorted(parts):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return Values(tuple(found))


NONE = Values(())
ALL = Values.between()
