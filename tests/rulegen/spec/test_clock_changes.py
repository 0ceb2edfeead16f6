"""Rules of clock changes against the time zone database, moment by moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulegen.spec.clock_changes import clock_of

# Their clocks follow Ramadan, or the rule is made anew each year.
IRREGULAR = {"Africa/Casablanca", "Africa/El_Aaiun", "Asia/Gaza", "Asia/Hebron"}
ZONES = sorted(available_timezones() - IRREGULAR)
BEGIN = datetime(2026, 1, 1)


def _shown(zone: str, moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@given(st.sampled_from(ZONES), st.lists(st.integers(0, 27 * 365 * 1440), min_size=20, max_size=20))
def test_a_clock_shows_what_the_database_says(zone: str, minutes: list[int]) -> None:
    clock = clock_of(zone)
    for minute in minutes:
        moment = BEGIN + timedelta(minutes=minute)
        assert clock.local(moment) == _shown(zone, moment), zone


@pytest.mark.parametrize(
    "zone",
    ["Europe/Berlin", "America/New_York", "Pacific/Auckland", "Australia/Lord_Howe", "Africa/Cairo",
     "America/Santiago", "Asia/Jerusalem", "Europe/Dublin", "America/Havana", "Asia/Kathmandu"],
)  # fmt: skip
def test_a_clock_changes_to_the_second(zone: str) -> None:
    clock = clock_of(zone)
    for change in clock.changes:
        for year in range(2026, 2040):
            for second in (-1, 0):
                moment = change.at(year) + timedelta(seconds=second)
                assert clock.local(moment) == _shown(zone, moment)
    assert len(clock.changes) == (0 if zone == "Asia/Kathmandu" else 2)


@pytest.mark.parametrize("zone", sorted(IRREGULAR))
def test_clocks_that_change_by_no_rule_are_refused(zone: str) -> None:
    with pytest.raises(ValueError, match=f"the clocks of '{zone}' change on other days each year"):
        clock_of(zone)
