"""Times as users write them mean the same in Alertmanager's form."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from rulegen.spec.time_intervals import MONTHS, WEEKDAYS, TimeInterval, lower

MINUTES = st.integers(0, 24 * 60 - 1)


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def interval(**keys: Any) -> list[dict[str, Any]]:
    return lower(TimeInterval.model_validate(keys))


def times(*ranges: str) -> list[dict[str, str]]:
    return [dict(zip(("start_time", "end_time"), text.split("-"), strict=True)) for text in ranges]


def is_inside(entries: list[dict[str, Any]], moment: datetime) -> bool:
    """Alertmanager's own reading, as its documentation has it: all keys of an entry, any of its values."""
    day, minute = WEEKDAYS[(moment.weekday() + 1) % 7], moment.hour * 60 + moment.minute

    def has_day(text: str) -> bool:
        first, _, last = text.partition(":")
        assert WEEKDAYS.index(first) <= WEEKDAYS.index(last or first), "Alertmanager refuses it"
        return WEEKDAYS.index(first) <= WEEKDAYS.index(day) <= WEEKDAYS.index(last or first)

    def has_minute(times: dict[str, str]) -> bool:
        start, end = (int(text[:2]) * 60 + int(text[3:]) for text in (times["start_time"], times["end_time"]))
        assert start < end, "Alertmanager refuses it"
        return start <= minute < end

    return any(
        ("weekdays" not in entry or any(map(has_day, entry["weekdays"])))
        and ("times" not in entry or any(map(has_minute, entry["times"])))
        for entry in entries
    )


@given(
    days=st.sets(st.integers(0, 6), max_size=6),
    start=MINUTES,
    length=st.integers(1, 24 * 60 - 1),
    at=st.integers(0, 7 * 24 * 60 - 1),
)
@example(days={6}, start=22 * 60, length=240, at=0)  # saturday night reaches into sunday
@example(days={0}, start=22 * 60, length=120, at=26 * 60)  # ends at midnight exactly
def test_a_range_lasts_as_long_as_it_says_from_the_days_it_names(
    days: set[int], start: int, length: int, at: int
) -> None:
    text = f"{clock(start)}-{clock((start + length) % (24 * 60))}"
    entries = interval(weekdays=[WEEKDAYS[day] for day in days], times=[text])
    sunday = datetime(2026, 1, 4, tzinfo=UTC)
    moment = sunday + timedelta(minutes=at)
    begun = [
        sunday + timedelta(days=day + week * 7, minutes=start) for day in days or range(7) for week in (-1, 0)
    ]
    expected = any(begin <= moment < begin + timedelta(minutes=length) for begin in begun)
    assert is_inside(entries, moment) == expected


@given(st.integers(0, 6), st.integers(0, 6))
def test_a_range_of_weekdays_may_run_over_the_end_of_the_week(first: int, last: int) -> None:
    entries = interval(weekdays=[f"{WEEKDAYS[first]}:{WEEKDAYS[last]}"])
    named = {(first + step) % 7 for step in range((last - first) % 7 + 1)}
    sunday = datetime(2026, 1, 4, 12, tzinfo=UTC)
    assert {day for day in range(7) if is_inside(entries, sunday + timedelta(days=day))} == named


def test_what_crosses_midnight_is_split_and_its_weekday_moves_on() -> None:
    assert interval(weekdays=["sunday"], times=["22:00-02:00"], location="Europe/Berlin") == [
        {"weekdays": ["sunday"], "times": times("22:00-24:00"), "location": "Europe/Berlin"},
        {"weekdays": ["monday"], "times": times("00:00-02:00"), "location": "Europe/Berlin"},
    ]


def test_what_stays_within_a_day_stays_together() -> None:
    assert interval(weekdays=["saturday:sunday", "tuesday"], times=["14:00-18:00", "09:00-12:00"]) == [
        {"weekdays": ["sunday", "tuesday", "saturday"], "times": times("09:00-12:00", "14:00-18:00")}
    ]


def test_dates_are_passed_on() -> None:
    given = interval(daysOfMonth=["1:7", "-1"], months=["november:february", "4"], years=["2030:2032"])
    assert given == [
        {
            "days_of_month": ["1:7", "-1"],
            "months": ["january:february", "november:december", "4"],
            "years": ["2030:2032"],
        }
    ]
    assert len(MONTHS) == 12


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("months", "13", "there is no 13"),
        ("months", "januar", "did you mean 'january'"),
        ("daysOfMonth", "0", "there is no 0"),
        ("daysOfMonth", "7:1", "ends before it begins"),
        ("daysOfMonth", "30:-1", "is no day of a month of 28 days, and refused by Alertmanager"),
        ("daysOfMonth", "-3:2", "begins at the end of the month and ends at its begin"),
        ("daysOfMonth", "first", "expected a day of the month"),
        ("years", "20300", "expected a year"),
        ("weekdays", "monday:tuesday:friday", "expected a weekday"),
        ("times", "24:00-25:00", "there is no 25:00"),
        ("times", "24:00-02:00", "24:00 can only be an end"),
        ("times", "9:00-18:00", "got '9:00-18:00'"),
        ("times", "09:00-18:60", "there is no 18:60"),
        ("location", "../../etc/passwd", "expected a time zone"),
    ],
)
def test_a_time_that_is_none_is_refused(key: str, value: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        interval(**{key: value if key == "location" else [value]})


def test_alertmanagers_own_zones_are_known() -> None:
    assert interval(times=["09:00-10:00"], location="Local")[0]["location"] == "Local"
