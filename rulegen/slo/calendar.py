"""Records of a time window of the calendar, in PromQL, which knows UTC only.

Bad and all events are recorded once more with the label ``period``, the local date on which their period began. So the
sum over a period is that of a series which begins with it: exact, without a state of its own, and past periods stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import (
    LOCAL_TIME_RECORD,
    MODEL,
    PERIOD,
    PERIOD_ELAPSED_RECORD,
    PERIOD_RECORD,
    SLO,
)
from rulegen.promql.expressions import on
from rulegen.promql.rules import Record
from rulegen.spec.clock_changes import Change, Clock
from rulegen.spec.time_windows import CalendarWindow, longest

Select = Callable[[str], str]
_BY_SLO = on((MODEL, SLO))


@dataclass(frozen=True)
class Calendar:
    """The periods of one SLO. ``select``: gives the selector of a record of it."""

    window: CalendarWindow
    select: Select

    @property
    def name(self) -> str:
        """How records over a period are named: ``1month``."""
        return f"1{self.window.calendar}"

    @property
    def longest(self) -> Duration:
        """A range in which every period has room."""
        return longest(self.window)

    def records(self, labels: dict[str, str]) -> list[Record]:
        """The local time, the date on which the period began, and how much of it is over."""
        local = self.select(LOCAL_TIME_RECORD)
        began, elapsed = _PERIODS[self.window.calendar](local)
        return [
            Record(LOCAL_TIME_RECORD, _local_time(self.window.clock), labels),
            Record(PERIOD_RECORD, began, labels),
            Record(PERIOD_ELAPSED_RECORD, elapsed, labels),
        ]

    @property
    def _named(self) -> str:
        """PromQL: 1 with the date of the period as a label. No record has it: two of them would meet for 5 minutes."""
        return f'count_values by ({MODEL}, {SLO}) ("{PERIOD}", {self.select(PERIOD_RECORD)})'

    def labelled(self, record: str) -> str:
        """PromQL: a record with the label of its period."""
        return f"{self.select(record)}\n* {_BY_SLO} group_left ({PERIOD})\n{self._named}"

    def ratio(self, errors: str, events: str) -> str:
        """PromQL: the ratio of two records with the label of their period, over the period that is going on."""
        over = self.longest
        return (
            f"sum without ({PERIOD}) (\n"
            f"  sum_over_time({self.select(errors)}[{over}]) / sum_over_time({self.select(events)}[{over}])\n"
            f"  and {on((MODEL, SLO, PERIOD))}\n  {self._named}\n)"
        )

    def so_far(self, ratio: str) -> str:
        """PromQL: a ratio of what is over of the period, as one of the whole period."""
        return f"{self.select(ratio)} * {_BY_SLO} group_left () {self.select(PERIOD_ELAPSED_RECORD)}"


def _month(local: str) -> tuple[str, str]:
    """The first day of the month as a number, and the share of it that is over, by the minute."""
    day = f"(60 * hour({local}) + minute({local})) / 1440"
    elapsed = f"(day_of_month({local}) - 1 + {day}) / days_in_month({local})"
    return f"10000 * year({local}) + 100 * month({local}) + 1", elapsed


def _quarter(local: str) -> tuple[str, str]:
    """The same of a quarter, whose months count alike."""
    month = f"(month({local}) - 1) % 3"
    began = f"10000 * year({local}) + 100 * (month({local}) - {month}) + 1"
    return began, f"({month} + {_month(local)[1]}) / 3"


def _week(local: str) -> tuple[str, str]:
    """The same of a week, from Monday on."""
    days = f"(day_of_week({local}) + 6) % 7"
    monday = f"{local} - 86400 * ({days})"
    began = f"10000 * year({monday}) + 100 * month({monday}) + day_of_month({monday})"
    return began, f"({days} + (60 * hour({local}) + minute({local})) / 1440) / 7"


_PERIODS = {"month": _month, "quarter": _quarter, "week": _week}


def _local_time(clock: Clock) -> str:
    """PromQL: what the clock shows, as seconds since 1970."""
    if not clock.changes:
        return f"vector(time(){_plus(clock.offset)})"
    first, second = clock.changes
    changed = first.offset - second.offset
    between = f"({_date(first)} >= bool {_day(first)})\n* ({_date(second)} < bool {_day(second)})"
    return f"time(){_plus(second.offset)}{_plus(changed)} *\n{between}"


def _plus(seconds: int) -> str:
    return f" {'-' if seconds < 0 else '+'} {abs(seconds)}" if seconds else ""


def _day(change: Change) -> int:
    return 100 * change.month + change.day


def _date(change: Change) -> str:
    """PromQL: month and day of the last such weekday: 329 on March 30 of a year in which the 29th is a Sunday.

    In the months after and before it is beyond all days of this one, if not by the calendar.
    """
    now = f"vector(time(){_plus(-change.shift)})"
    weekday = f"day_of_week({now})"
    if change.weekday:
        weekday = f"({weekday} + {7 - change.weekday}) % 7"
    return f"100 * month({now}) + day_of_month({now}) - {weekday}"
