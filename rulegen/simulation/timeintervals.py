"""Whether a moment is inside of an entry of Alertmanager's ``time_intervals``.

https://github.com/prometheus/alertmanager/blob/v0.25.0/timeinterval/timeinterval.go
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Self
from zoneinfo import ZoneInfo

from rulegen.spec.time_intervals import MONTHS, WEEKDAYS

Range = tuple[int, int]


@dataclass(frozen=True)
class TimeInterval:
    """One entry: each kind of range that is given must hold, one range of a kind is enough.

    ``times`` are minutes of the day, the end excluded; ``weekdays`` count from 0 (sunday); ``days`` of the
    month may count from its end (-1).
    """

    times: Sequence[Range]
    weekdays: Sequence[Range]
    days: Sequence[Range]
    months: Sequence[Range]
    years: Sequence[Range]
    zone: tzinfo

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self:
        """An entry as ``alertmanager.yaml`` has it."""
        return cls(
            [(_minutes(item["start_time"]), _minutes(item["end_time"])) for item in entry.get("times", ())],
            [_range(text, WEEKDAYS, 0) for text in entry.get("weekdays", ())],
            [_range(text, (), 0) for text in entry.get("days_of_month", ())],
            [_range(text, MONTHS, 1) for text in entry.get("months", ())],
            [_range(text, (), 0) for text in entry.get("years", ())],
            _zone(entry.get("location", "UTC")),
        )

    def contains(self, moment: datetime) -> bool:
        """Whether ``moment``, which knows its zone, is inside."""
        local = moment.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        weekday = (local.weekday() + 1) % 7
        return (
            (not self.times or any(start <= minute < end for start, end in self.times))
            and (not self.days or self._has_day(local))
            and (not self.months or _within(local.month, self.months))
            and (not self.weekdays or _within(weekday, self.weekdays))
            and (not self.years or _within(local.year, self.years))
        )

    def _has_day(self, local: datetime) -> bool:
        length = _days_in_month(local)
        for first, last in self.days:
            begin = first if first > 0 else length + first + 1
            end = last if last > 0 else length + last + 1
            if begin <= length and max(begin, -length) <= local.day <= min(end, length):
                return True
        return False


def _within(value: int, ranges: Sequence[Range]) -> bool:
    return any(first <= value <= last for first, last in ranges)


def _days_in_month(local: datetime) -> int:
    """Alertmanager's own count: whole days of 24 hours.

    The month in which clocks go forward comes out a day short, so that -1 is the last day but one.
    """
    first = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    later = (
        first.replace(year=first.year + 1, month=1)
        if first.month == 12
        else first.replace(month=first.month + 1)
    )
    return int((later.timestamp() - first.timestamp()) // 86_400)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    if name == "Local":
        local = datetime.now().astimezone().tzinfo
        assert local is not None
        return local
    return ZoneInfo(name)


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _range(text: str | int, names: Sequence[str], first: int) -> Range:
    """``monday:friday``, ``1:7``, ``december``: both ends included; names count from ``first``."""
    ends = [part.strip().lower() for part in str(text).split(":")]
    numbers = [names.index(end) + first if end in names else int(end) for end in ends]
    return numbers[0], numbers[-1]
