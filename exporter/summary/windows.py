"""Time buckets and the windows that they merge into."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from exporter.summary.base import Integers

MICROSECONDS = 1_000_000

CLOCK_SKEW = 60 * MICROSECONDS
"""The clocks of the model server and of the exporter may differ by this much."""

# Each width divides the next, so that a bucket lies in exactly one wider bucket.
_WIDTHS = tuple(
    seconds * MICROSECONDS for seconds in (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21_600, 86_400)
)
_FINENESS = 60


@dataclass(frozen=True)
class Window:
    """The time [start, end) in epoch µs, by the name that its series carry.

    ``reference``: it is a stretch of the past that others are compared with.
    """

    name: str
    start: int
    end: int
    reference: bool = False


class Buckets:
    """Time buckets of events: the younger an event, the finer its bucket.

    ``spans``: every length of time (in seconds) that a window or a reference reaches back. Within a span the
    width is at most 1/60 of it, or one second. Buckets are [start, end) in UTC. ``finest``: the narrowest bucket's
    width, and ``kept``: the longest span, in µs. ``levels``: width and span of each, in µs.
    """

    def __init__(self, spans: Iterable[float]) -> None:
        ordered = sorted({int(span * MICROSECONDS) for span in spans})
        self.levels = [
            (max((width for width in _WIDTHS if width <= span / _FINENESS), default=_WIDTHS[0]), span)
            for span in ordered
        ]
        self.finest = self.levels[0][0]
        self.kept = ordered[-1]

    def start(self, times: Integers, now: int, cuts: Sequence[int] = ()) -> Integers:
        """The start of the bucket of each of ``times`` as of ``now``, all in epoch µs.

        No bucket crosses one of ``cuts``: windows that begin or end there are exact.
        """
        starts = times - times % self.finest
        for (_, reach), (width, _) in pairwise(self.levels):
            wider = times - times % width
            # Only what the finer window has wholly left behind is merged.
            starts = np.where(wider + width <= now - reach, wider, starts)
        for cut in cuts:
            starts = np.where((starts < cut) & (times >= cut), cut, starts)
        return starts

    def expired(self, now: int) -> int:
        """Buckets that start before this are in no window any more."""
        return now - self.kept - self.levels[-1][0]


def boundaries(windows: Iterable[Window]) -> list[int]:
    """The distinct starts and ends of ``windows``, ascending."""
    return sorted({edge for window in windows for edge in (window.start, window.end)})
