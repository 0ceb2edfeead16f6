"""The minutes of a week that a time interval covers, and whether it ever comes."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from rulegen.simulation import timeintervals
from rulegen.spec.time_intervals import WEEKDAYS, TimeInterval, lower

_DAY = 24 * 60
WEEK = range(7 * _DAY)
# Years before it are over. No clock is read: the same specs give the same files on any day.
RELEASED = 2026
# Every calendar that a year can have, leap day and weekday of its first of January, comes within so many years, the
# turn of a century without a leap day among them.
_CALENDARS = 40


def ever(interval: TimeInterval) -> frozenset[int]:
    """Minutes of the week, from Sunday, that are in ``interval`` in some week from the year of this release on."""
    minutes: set[int] = set()
    for data in lower(interval):
        # The minutes of its own clock, wherever that is.
        entry = timeintervals.TimeInterval.of({**data, "location": "UTC"})
        days = {day for first, last in entry.weekdays or [(0, 6)] for day in range(first, last + 1)}
        if _is_dated(interval):
            days &= _weekdays(*(tuple(data.get(key, ())) for key in ("days_of_month", "months", "years")))
        for day in days:
            for start, end in entry.times or [(0, _DAY)]:
                minutes.update(range(day * _DAY + start, day * _DAY + end))
    return frozenset(minutes)


def always(interval: TimeInterval) -> frozenset[int]:
    """Minutes of the week that are in ``interval`` in every week."""
    return frozenset() if _is_dated(interval) else ever(interval)


def never_comes(interval: TimeInterval) -> str | None:
    """Say why ``interval`` never comes, if it doesn't."""
    if ever(interval):
        return None
    if interval.years and all(int(years.rpartition(":")[2]) < RELEASED for years in interval.years):
        return f"its years are over: it ends before {RELEASED}, the year of this version of mlslo"
    return "no date has all that it asks for"


def _is_dated(interval: TimeInterval) -> bool:
    return bool(interval.daysOfMonth or interval.months or interval.years)


@lru_cache
def _weekdays(days: tuple[str, ...], months: tuple[str, ...], years: tuple[str, ...]) -> frozenset[int]:
    """Return the weekdays, Sunday being 0, of the dates that an entry of Alertmanager's `time_intervals` has."""
    dates = timeintervals.TimeInterval.of({"days_of_month": days, "months": months})
    # Those that are not over, as many as it takes to have seen every calendar.
    ranges = timeintervals.TimeInterval.of({"years": years}).years or [(RELEASED, 9999)]
    left = {year for first, last in ranges for year in range(max(first, RELEASED), last + 1)}
    found: set[int] = set()
    for year in sorted(left)[:_CALENDARS]:
        # Calendars repeat every 400 years, and none is known after the year 9999.
        same = 2000 + year % 400
        at = datetime(same, 1, 1, tzinfo=UTC)
        while at.year == same:
            if dates.contains(at):
                found.add((at.weekday() + 1) % len(WEEKDAYS))
            at += timedelta(days=1)
        if len(found) == len(WEEKDAYS):
            break
    return frozenset(found)
