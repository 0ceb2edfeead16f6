"""The minutes of a week that a time interval covers."""

from __future__ import annotations

from rulegen.spec.time_intervals import WEEKDAYS, TimeInterval, lower

_DAY = 24 * 60
WEEK = range(7 * _DAY)


def ever(interval: TimeInterval) -> frozenset[int]:
    """Minutes of the week, from Sunday, that are in ``interval`` in some week."""
    minutes: set[int] = set()
    for entry in lower(interval):
        times = entry.get("times") or [{"start_time": "00:00", "end_time": "24:00"}]
        for text in entry.get("weekdays") or ["sunday:saturday"]:
            first, _, last = text.partition(":")
            for day in range(WEEKDAYS.index(first), WEEKDAYS.index(last or first) + 1):
                for time in times:
                    start, end = (_minute(time[key]) for key in ("start_time", "end_time"))
                    minutes.update(range(day * _DAY + start, day * _DAY + end))
    return frozenset(minutes)


def always(interval: TimeInterval) -> frozenset[int]:
    """Minutes of the week that are in ``interval`` in every week."""
    dated = interval.daysOfMonth or interval.months or interval.years
    return frozenset() if dated else ever(interval)


def _minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
