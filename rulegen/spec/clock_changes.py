"""When the clocks of a time zone change: two rules such as "the last Sunday of March", which hold for any year."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

# In 28 years each date falls on each day of the week.
_FIRST_YEAR, _LAST_YEAR = 2026, 2053
_DAY = 86_400


@dataclass(frozen=True)
class Change:
    """One change of the clocks a year: at the first ``weekday`` (0 is Sunday) from ``day`` of ``month`` on.

    ``shift``: seconds to take from UTC so that this day begins with the change. ``offset``: seconds ahead of UTC since.
    """

    month: int
    day: int
    weekday: int
    shift: int
    offset: int

    def at(self, year: int) -> datetime:
        """Return the moment of the change in a year, in UTC without a zone."""
        first = date(year, self.month, self.day)
        later = timedelta((self.weekday - first.isoweekday()) % 7)
        return datetime.combine(first + later, datetime.min.time()) + timedelta(seconds=self.shift)


@dataclass(frozen=True)
class Clock:
    """The clock of a zone: seconds ahead of UTC at New Year, and its changes in the order of the year: none, or two."""

    offset: int
    changes: tuple[Change, ...] = ()

    def local(self, moment: datetime) -> datetime:
        """Return what the clock shows at a moment; both without a zone."""
        changed = [one.offset for one in self.changes if one.at(moment.year) <= moment]
        return moment + timedelta(seconds=changed[-1] if changed else self.offset)


@cache
def clock_of(zone: str) -> Clock:
    """Find the rules of a zone of the IANA database.

    Raises ValueError where there is no such zone, or its clocks change by no rule of this form.
    """
    try:
        known = ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"no data of the time zone '{zone}' on this machine") from None
    changes = list(_changes(known))
    offset = _offset(known, datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    if not changes:
        return Clock(offset)
    years = _LAST_YEAR - _FIRST_YEAR + 1
    # What happens at midnight may be told as of the day before: on the last Thursday of October, at 24:00.
    rules = [_rule(changes[index::2], 0) or _rule(changes[index::2], 1) for index in (0, 1)]
    if len(changes) != 2 * years or None in rules:
        message = f"the clocks of '{zone}' change on other days each year"
        raise ValueError(f"{message}; expected a zone in which they change by a rule, or never")
    return Clock(offset, tuple(rule for rule in rules if rule is not None))


def _offset(zone: ZoneInfo, time: float) -> int:
    offset = datetime.fromtimestamp(time, zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())


def _changes(zone: ZoneInfo) -> Iterator[tuple[int, int, int]]:
    """Yield the time of each change in the years looked at, and the offsets before and after."""
    begin = round(datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    end = round(datetime(_LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp())
    before = _offset(zone, begin)
    for day in range(begin, end, _DAY):
        after = _offset(zone, day + _DAY)
        if after != before:
            low, high = day, day + _DAY
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
            yield high, before, after
        before = after


def _rule(changes: list[tuple[int, int, int]], earlier: int) -> Change | None:
    """Return the rule of one change of each year; None where there is none.

    ``earlier``: the seconds that a day is taken to begin later. Days are those of the clock before the change: Sunday
    at 2 is a Saturday in UTC on the other side of the world.
    """
    clocks = [datetime.fromtimestamp(time + before - earlier, UTC) for time, before, _ in changes]
    days = [clock.day for clock in clocks]
    found = {
        (clock.month, clock.isoweekday() % 7, _second(clock) + earlier - before, after)
        for clock, (_, before, after) in zip(clocks, changes, strict=True)
    }
    if len(found) != 1 or max(days) - min(days) > 6:
        return None
    month, weekday, shift, after = found.pop()
    return Change(month, min(days), weekday, shift, after)


def _second(clock: datetime) -> int:
    return clock.hour * 3600 + clock.minute * 60 + clock.second
