"""Windows of references that are the model's own history: sliding ones and calendar months."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from exporter.summary.windows import MICROSECONDS, Window
from mlslo.monitor import Reference

_LONGEST_MONTH = 31 * 86_400.0
_A_YEAR_AND_A_MONTH = 366 * 86_400.0 + _LONGEST_MONTH


class HistoryWindows:
    """Baseline windows. ``spans``: how far back each reaches, in seconds."""

    def __init__(self, references: Mapping[str, Reference]) -> None:
        self._sliding = {
            name: (item.sliding.seconds, item.offset.seconds if item.offset else 0.0)
            for name, item in references.items()
            if item.sliding is not None
        }
        self._months = [name for name, item in references.items() if item.calendar == "month"]
        self.spans = [length + offset for length, offset in self._sliding.values()]
        self.spans += [_A_YEAR_AND_A_MONTH for _ in self._months]

    def windows(self, end: int) -> list[Window]:
        """Return the window of each as of ``end`` (epoch µs)."""
        found = []
        for name, (length, offset) in self._sliding.items():
            stop = end - int(offset * MICROSECONDS)
            found.append(Window(name, stop - int(length * MICROSECONDS), stop, reference=True))
        for name in self._months:
            found.append(Window(name, *_same_month_last_year(end), reference=True))
        return found


def _same_month_last_year(end: int) -> tuple[int, int]:
    now = datetime.fromtimestamp(end / MICROSECONDS, UTC)
    start = datetime(now.year - 1, now.month, 1, tzinfo=UTC)
    stop = datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)
    return int(start.timestamp()) * MICROSECONDS, int(stop.timestamp()) * MICROSECONDS
