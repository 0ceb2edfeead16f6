"""Times of the week as users write them, and as Alertmanager reads them."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, field_validator, model_validator

from mlslo.yamlfile import Shape, StrictModel, did_you_mean, quoted_list

# Alertmanager's order: a range may not run from saturday into sunday.
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip


# Alertmanager's own names, which are in no time zone database.
_OTHER_ZONES = ("UTC", "Local")
_MINUTES_OF_A_DAY = 24 * 60
_TIMES_SHAPE = Shape(pattern=r"^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$")
_DAYS_SHAPE = Shape(pattern=r"^-?[0-9]{1,2}(:-?[0-9]{1,2})?$")
_TIMES = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")


def _pattern(names: Sequence[str], other: str = "") -> Shape:
    """One of ``names`` in any case, or a range of two; or the pattern ``other``."""
    # JSON Schema has no flag for that.
    cased = ["".join(f"[{letter}{letter.upper()}]" for letter in name) for name in names]
    one = rf"\s*({'|'.join(cased)})\s*"
    return Shape(pattern=f"^({one}(:{one})?{other})$")


def _weekdays(text: str) -> str:
    _cyclic_range(text, WEEKDAYS, "a weekday such as monday, or a range such as monday:friday")
    return text


def _months(text: str) -> str:
    if all(part.isdecimal() for part in text.split(":")):
        return _number_range(text, 1, 12, "a month such as january or 1, or a range such as january:march")
    _cyclic_range(text, MONTHS, "a month such as january, or a range such as january:march")
    return text


def _days_of_month(text: str) -> str:
    expected = "a day of the month such as 1 or -1 (the last), or a range such as 1:7"
    _number_range(text, -31, 31, expected)
    first, last = (int(part) for part in (text.split(":") * 2)[:2])
    if first < 0 < last:
        raise ValueError(
            f"expected {expected}; '{text}' begins at the end of the month and ends at its begin"
        )
    # Alertmanager refuses what no February would have.
    if first > 0 > last and 28 + last < first:
        raise ValueError(
            f"expected {expected}; '{text}' is no day of a month of 28 days, and refused by Alertmanager"
        )
    return text


def _years(text: str) -> str:
    return _number_range(text, 1970, 9999, "a year such as 2030, or a range such as 2030:2032")


def _times(text: str) -> str:
    expected = "expected a time range such as 09:00-18:00"
    match = _TIMES.fullmatch(text)
    if match is None:
        raise ValueError(f"{expected}, got '{text}'")
    for hours, minutes in (match.group(1, 2), match.group(3, 4)):
        if int(minutes) > 59 or f"{hours}{minutes}" > "2400":
            raise ValueError(f"{expected}, there is no {hours}:{minutes}; the last is 24:00")
    start, end = _minutes(text)
    if start == _MINUTES_OF_A_DAY:
        raise ValueError(f"{expected}; 24:00 can only be an end, got '{text}'")
    if start == end:
        raise ValueError(f"{expected}, got the empty '{text}'; leave `times` out for the whole day")
    return text


def known_location(name: str) -> str:
    """A time zone that there is. Raises ValueError."""
    if name in _OTHER_ZONES:
        return name
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        known = available_timezones()
        # A machine without a time zone database can judge no name.
        if known:
            near = did_you_mean(name, known)
            raise ValueError(f"expected a time zone such as Europe/Berlin, got '{name}'{near}") from None
    return name


class TimeInterval(StrictModel):
    """A recurring time: every given key has to match."""

    at_least_one = ("weekdays", "times", "daysOfMonth", "months", "years")

    weekdays: list[Annotated[str, AfterValidator(_weekdays), _pattern(WEEKDAYS)]] = Field(
        default_factory=list, description="`monday`, or `monday:friday`."
    )
    times: list[Annotated[str, AfterValidator(_times), _TIMES_SHAPE]] = Field(
        default_factory=list,
        description="`09:00-18:00`, end excluded; `22:00-02:00` ends on the day after.",
    )
    daysOfMonth: list[Annotated[str, AfterValidator(_days_of_month), _DAYS_SHAPE]] = Field(
        default_factory=list, description='`"1"`, `"1:7"`, or `"-1"` for the last day.'
    )
    months: list[Annotated[str, AfterValidator(_months), _pattern(MONTHS, "|[0-9]{1,2}(:[0-9]{1,2})?")]] = (
        Field(default_factory=list, description="`december`, `january:march` or `1:3`.")
    )
    years: list[Annotated[str, AfterValidator(_years), Shape(pattern=r"^[0-9]{4}(:[0-9]{4})?$")]] = Field(
        default_factory=list, description='`"2030"` or `"2030:2032"`.'
    )
    location: Annotated[str, AfterValidator(known_location)] | None = Field(
        None, description="Time zone such as `Europe/Berlin`; UTC without it. Needs Alertmanager 0.25."
    )

    @field_validator("weekdays")
    @classmethod
    def _weekdays_once(cls, ranges: list[str]) -> list[str]:
        seen: set[str] = set()
        for text in ranges:
            days = _cyclic_range(text, WEEKDAYS, "")
            if twice := seen.intersection(days):
                raise ValueError(f"{quoted_list(day for day in WEEKDAYS if day in twice)} is given twice")
            seen.update(days)
        return ranges

    @field_validator("times")
    @classmethod
    def _times_once(cls, ranges: list[str]) -> list[str]:
        pieces = sorted((start, end, text) for text in ranges for start, end in _same_day(text))
        for (_, end, text), (start, _, other) in pairwise(pieces):
            if start < end:
                raise ValueError(f"'{text}' and '{other}' overlap")
        return ranges

    @model_validator(mode="after")
    def _is_a_time(self) -> Self:
        dates = (*self.daysOfMonth, *self.months, *self.years)
        for text in self.times:
            start, end = _minutes(text)
            if end < start and end > 0 and dates:
                raise ValueError(
                    f"'{text}' crosses midnight, which has no meaning with days of the month, "
                    "months or years; write two ranges, up to 24:00 and from 00:00"
                )
        return self


def lower(interval: TimeInterval) -> list[dict[str, Any]]:
    """``interval`` as the entries of Alertmanager's ``time_intervals``.

    A range across midnight becomes two entries, the second on the days after: Alertmanager has no such
    range. https://prometheus.io/docs/alertmanager/latest/configuration/#time_interval-0
    """
    days = {WEEKDAYS.index(day) for text in interval.weekdays for day in _cyclic_range(text, WEEKDAYS, "")}
    today: list[tuple[int, int]] = []
    tomorrow: list[tuple[int, int]] = []
    for text in interval.times:
        first, *second = _same_day(text)
        today.append(first)
        # Every day is followed by one that counts too, where none is named.
        (tomorrow if days else today).extend(second)
    entries = [_entry(interval, days, today)] if today or not interval.times else []
    if tomorrow:
        entries.append(_entry(interval, {(day + 1) % len(WEEKDAYS) for day in days}, tomorrow))
    return entries


def _entry(interval: TimeInterval, days: set[int], times: Sequence[tuple[int, int]]) -> dict[str, Any]:
    months: list[str] = []
    for text in interval.months:
        # As ranges that end in the year that they begin in.
        named = [] if text[0].isdecimal() else _cyclic_range(text, MONTHS, "")
        months += _consecutive(map(MONTHS.index, named), MONTHS) if named else [text]
    entry = {
        "weekdays": _consecutive(days, WEEKDAYS),
        "times": [{"start_time": _clock(start), "end_time": _clock(end)} for start, end in sorted(times)],
        "days_of_month": list(interval.daysOfMonth),
        "months": months,
        "years": list(interval.years),
        "location": interval.location,
    }
    return {key: value for key, value in entry.items() if value}


def _consecutive(indices: Iterable[int], names: Sequence[str]) -> list[str]:
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [names[run[0]] if len(run) == 1 else f"{names[run[0]]}:{names[run[-1]]}" for run in runs]


def _cyclic_range(text: str, names: Sequence[str], expected: str) -> list[str]:
    """The names from ``first`` to ``last`` of ``first:last``, around the end where it has to."""
    parts = [part.strip().lower() for part in text.split(":")]
    for part in parts:
        if part not in names:
            raise ValueError(f"expected {expected}, got '{text}'{did_you_mean(part, names)}")
    if len(parts) > 2:
        raise ValueError(f"expected {expected}, got '{text}'")
    first, last = names.index(parts[0]), names.index(parts[-1])
    length = (last - first) % len(names) + 1
    return [names[(first + step) % len(names)] for step in range(length)]


def _number_range(text: str, low: int, high: int, expected: str) -> str:
    parts = text.split(":")
    if len(parts) > 2 or not all(re.fullmatch(r"-?[0-9]{1,4}", part) for part in parts):
        raise ValueError(f"expected {expected}, got '{text}'")
    first, last = int(parts[0]), int(parts[-1])
    outside = [number for number in (first, last) if not low <= number <= high or (low < 0 and number == 0)]
    if outside:
        raise ValueError(f"expected {expected}, there is no {outside[0]}")
    if first > last and (first > 0) == (last > 0):
        raise ValueError(f"expected {expected}; '{text}' ends before it begins")
    return text


def _minutes(text: str) -> tuple[int, int]:
    hours, minutes, end_hours, end_minutes = map(int, re.split("[-:]", text))
    return hours * 60 + minutes, end_hours * 60 + end_minutes


def _same_day(text: str) -> list[tuple[int, int]]:
    """Return the parts of a range that each are within a day."""
    start, end = _minutes(text)
    if start < end:
        return [(start, end)]
    return [(start, _MINUTES_OF_A_DAY), *([(0, end)] if end else [])]


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
