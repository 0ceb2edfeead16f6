"""Which time intervals come at all, and on which days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulegen.lint.week import RELEASED, ever, never_comes
from rulegen.simulation import timeintervals
from rulegen.spec.time_intervals import TimeInterval, lower

FEBRUARY = {"months": ["february"]}


def interval(keys: dict[str, Any]) -> TimeInterval:
    return TimeInterval.model_validate(keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"times": ["09:00-10:00"]},
        {"weekdays": ["monday"], "daysOfMonth": ["29"], **FEBRUARY},
        {"daysOfMonth": ["29"], "years": ["2027:2028"], **FEBRUARY},
        {"weekdays": ["tuesday"], "daysOfMonth": ["29"], "years": ["2028"], **FEBRUARY},
        {"daysOfMonth": ["30:31"], "months": ["april"]},
        {"years": ["2020", f"2024:{RELEASED}"]},
        {"years": ["9999"]},
    ],
)
def test_it_comes(keys: dict[str, Any]) -> None:
    assert never_comes(interval(keys)) is None


@pytest.mark.parametrize(
    "keys",
    [
        {"daysOfMonth": ["30:31"], **FEBRUARY},
        {"daysOfMonth": ["29"], "years": ["2027", "2100"], **FEBRUARY},
        {"weekdays": ["monday"], "daysOfMonth": ["29"], "years": ["2028"], **FEBRUARY},
        {"daysOfMonth": ["31"], "months": ["april", "6", "september", "november"]},
        {"years": [f"2020:{RELEASED - 1}"]},
        {"daysOfMonth": ["-31"], **FEBRUARY},
    ],
)
def test_it_never_comes(keys: dict[str, Any]) -> None:
    assert never_comes(interval(keys))


RANGES = {
    "weekdays": st.sampled_from(["monday", "saturday:sunday", "tuesday:thursday"]),
    "daysOfMonth": st.sampled_from(["1", "-1", "-2:-1", "28:29", "31", "5:-20", "13"]),
    "months": st.sampled_from(["february", "december:january", "4:6", "june"]),
    "years": st.sampled_from(["2026", "2027:2028", "2031"]),
}


@pytest.mark.slow
@given(
    keys=st.fixed_dictionaries(
        {}, optional={key: st.lists(one, min_size=1, max_size=1) for key, one in RANGES.items()}
    )
)
@settings(max_examples=60, deadline=None)
def test_alertmanager_agrees_on_the_weekdays(keys: dict[str, Any]) -> None:
    """Over the six years that these ranges are about, or the 28 in which calendars repeat."""
    one = interval({"times": ["00:00-24:00"], **keys})
    entries = [timeintervals.TimeInterval.of(entry) for entry in lower(one)]
    day, found = datetime(RELEASED, 1, 1, 12, tzinfo=UTC), set()
    while day.year < RELEASED + 28:
        if any(entry.contains(day) for entry in entries):
            found.add((day.weekday() + 1) % 7)
        day += timedelta(days=1)
    assert {minute // (24 * 60) for minute in ever(one)} == found
