"""Times in every usual way of writing them, in zones and in formats of one's own."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from zoneinfo import available_timezones

import duckdb
import numpy as np
import pytest

from exporter.parse.json_lines import Parser
from exporter.parse.times import epoch_microseconds
from mlslo.monitor import WrittenTimes
from mlslo.monitor.times import _PARTS

NOON = "2026-11-29T12:30:00"

# As a log has it -> RFC 3339 in UTC; None where it is no time.
USUAL: list[tuple[str | int | float, str | None]] = [
    ("2026-11-29T12:30:00Z", NOON),
    ("2026-11-29t12:30:00z", NOON),
    ("2026-11-29t12:30:00Z", NOON),
    ("2026-11-29T12:30:00z", NOON),
    ("2026-11-29 12:30:00Z", NOON),
    ("2026-11-29 12:30:00z", NOON),
    ("2026-11-29T12:30:00.5Z", NOON + ".500000"),
    ("2026-11-29T12:30:00.123456Z", NOON + ".123456"),
    ("2026-11-29T12:30:00.123456789Z", NOON + ".123456"),
    ("2026-11-29T14:30:00+02:00", NOON),
    ("2026-11-29T07:30:00-05:00", NOON),
    ("2026-11-29T18:15:00+05:45", NOON),
    ("2026-11-29T09:00:00-03:30", NOON),
    ("2026-11-29T12:30:00-00:00", NOON),
    ("2026-11-29T14:30:00+0200", NOON),
    ("2026-11-29 14:30:00+02", NOON),
    ("2026-11-29 14:30:00 +0200", NOON),
    ("2026-11-29 12:30:00 UTC", NOON),
    ("2026-11-29T12:30:00", NOON),
    ("2026-11-29 12:30", NOON),
    ("2026-11-29", "2026-11-29T00:00:00"),
    ("2026-11-29 12:30:00,123", NOON + ".123000"),
    ("2026-11-29T12:30:00,123Z", NOON + ".123000"),
    ("Sun, 29 Nov 2026 12:30:00 GMT", NOON),
    ("Sun, 29 Nov 2026 14:30:00 +0200", NOON),
    ("29/Nov/2026:12:30:00 +0000", NOON),
    ("29/Nov/2026:07:30:00 -0500", NOON),
    ("20261129T123000Z", NOON),
    ("20261129T123000.5Z", NOON + ".500000"),
    ("20261129T143000+0200", NOON),
    ("20261129t123000z", NOON),
    (1795955400, NOON),
    ("1795955400", NOON),
    (1795955400.25, NOON + ".250000"),
    ("1795955400.25", NOON + ".250000"),
    (1795955400123, NOON + ".123000"),
    ("1795955400123", NOON + ".123000"),
    (1795955400123456, NOON + ".123456"),
    ("1795955400123456", NOON + ".123456"),
    (1795955400250000000, NOON + ".250000"),
    ("1795955400250000000", NOON + ".250000"),
    ("1.7959554e9", NOON),
    # A leap second is the first second of the next minute.
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00"),
    ("2016-12-31t23:59:60.5z", "2017-01-01T00:00:00.500000"),
    ("2017-01-01T05:44:60+05:45", "2017-01-01T00:00:00"),
    ("1969-07-20T20:17:40Z", "1969-07-20T20:17:40"),
    (-14182940, "1969-07-20T20:17:40"),
    ("2262-04-11T23:47:16Z", "2262-04-11T23:47:16"),
    ("2262-04-12T00:00:00Z", "2262-04-12T00:00:00"),
    ("2026-11-31T12:30:00Z", None),
    ("2026-13-01T12:30:00Z", None),
    ("2026-11-29T12:61:00Z", None),
    ("2026-11-29T12:30:61Z", None),
    ("Sun, 29 Now 2026 12:30:00 GMT", None),
    ("29/Nov/2026:12:30:00", None),
    ("20261131T123000Z", None),
    ("noon", None),
    ("", None),
    (1e300, None),
]

# Zone, local time -> UTC.
LOCAL = [
    ("Europe/Berlin", "2026-03-29T01:59:59", "2026-03-29T00:59:59"),
    # Skipped: half an hour after the clocks went forward.
    ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T01:30:00"),
    ("Europe/Berlin", "2026-03-29T03:00:00", "2026-03-29T01:00:00"),
    ("Europe/Berlin", "2026-10-25T01:59:59", "2026-10-24T23:59:59"),
    # Shown twice: the first of the two.
    ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00"),
    ("Europe/Berlin", "2026-10-25T03:00:00", "2026-10-25T02:00:00"),
    ("America/New_York", "2026-03-08T01:59:59", "2026-03-08T06:59:59"),
    ("America/New_York", "2026-03-08T02:30:00", "2026-03-08T07:30:00"),
    ("America/New_York", "2026-03-08T03:00:00", "2026-03-08T07:00:00"),
    ("America/New_York", "2026-11-01T00:59:59", "2026-11-01T04:59:59"),
    ("America/New_York", "2026-11-01T01:30:00", "2026-11-01T05:30:00"),
    ("America/New_York", "2026-11-01T02:00:00", "2026-11-01T07:00:00"),
    # Half an hour of daylight saving time.
    ("Australia/Lord_Howe", "2026-04-05T01:45:00", "2026-04-04T14:45:00"),
    ("Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-03T15:45:00"),
    ("Asia/Kathmandu", NOON, "2026-11-29T06:45:00"),
    ("Asia/Kolkata", NOON, "2026-11-29T07:00:00"),
    ("UTC", NOON, NOON),
    ("+05:30", NOON, "2026-11-29T07:00:00"),
    ("-03:30", NOON, "2026-11-29T16:00:00"),
    ("Europe/Berlin", "2026-11-29 12:30:00,123", "2026-11-29T11:30:00.123000"),
    ("Europe/Berlin", "20261129T123000", "2026-11-29T11:30:00"),
    ("Europe/Berlin", "2026-11-29", "2026-11-28T23:00:00"),
    ("Europe/Berlin", "1969-07-20 20:17:40", "1969-07-20T19:17:40"),
    ("Europe/Berlin", "2262-04-11T23:47:16", "2262-04-11T21:47:16"),
    # What has an offset, or is a number, is not local.
    ("Europe/Berlin", NOON + "Z", NOON),
    ("Europe/Berlin", NOON + "z", NOON),
    ("Europe/Berlin", NOON + "-05:00", "2026-11-29T17:30:00"),
    ("Europe/Berlin", "2026-11-29 12:30:00 UTC", NOON),
    ("Europe/Berlin", "Sun, 29 Nov 2026 12:30:00 GMT", NOON),
    ("Europe/Berlin", "29/Nov/2026:12:30:00 +0000", NOON),
    ("+05:30", "1795955400", NOON),
]  # fmt: skip

# Formats, zone, text -> UTC.
FORMATTED: list[tuple[tuple[str, ...], str | None, str, str | None]] = [
    (("%d.%m.%Y %H:%M:%S",), None, "29.11.2026 12:30:00", NOON),
    (("%d.%m.%Y %H:%M:%S",), "Europe/Berlin", "29.11.2026 12:30:00", "2026-11-29T11:30:00"),
    (("%d.%m.%Y %H:%M:%S",), "Europe/Berlin", "25.10.2026 02:30:00", "2026-10-25T00:30:00"),
    (("%d.%m.%Y %H:%M:%S %z",), "Europe/Berlin", "29.11.2026 18:15:00 +05:45", NOON),
    (("%Y%m%d",), None, "20261129", "2026-11-29T00:00:00"),
    (("%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M"), None, "11/29/2026 12:30 PM", NOON),
    (("%m/%d/%Y %I:%M %p", "%d.%m.%Y %H:%M"), None, "29.11.2026 12:30", NOON),
    (("%d.%m.%Y %H:%M %z", "%d.%m.%Y %H:%M"), "+02:00", "29.11.2026 14:30", NOON),
    (("it's %Y-%m-%d %H:%M",), None, "it's 2026-11-29 12:30", NOON),
    (("%d.%m.%Y %H:%M:%S",), None, NOON + "Z", None),
    (("%d.%m.%Y %H:%M:%S",), None, "31.11.2026 12:30:00", None),
]


def read(values: list[str | int | float], written: WrittenTimes) -> list[str | None]:
    """What is read of ``values``, as RFC 3339 in UTC without its Z."""
    with closing(Parser(lambda paths: {"t": epoch_microseconds(paths.text("t"), written)})) as parser:
        columns, _ = parser.select("".join(json.dumps({"t": value}) + "\n" for value in values).encode())
    missing = np.ma.getmaskarray(columns["t"])
    return [
        None if none else datetime.fromtimestamp(int(time) / 1e6, UTC).replace(tzinfo=None).isoformat()
        for time, none in zip(np.ma.getdata(columns["t"]), missing, strict=True)
    ]


def test_usual_ways() -> None:
    found = read([value for value, _ in USUAL], WrittenTimes())
    assert dict(zip(map(repr, (value for value, _ in USUAL)), found, strict=True)) == {
        repr(value): time for value, time in USUAL
    }


@pytest.mark.parametrize(("zone", "local", "time"), LOCAL)
def test_local_time(zone: str, local: str, time: str) -> None:
    assert read([local], WrittenTimes(zone)) == [time]


@pytest.mark.parametrize(("formats", "zone", "text", "time"), FORMATTED)
def test_formats(formats: tuple[str, ...], zone: str | None, text: str, time: str | None) -> None:
    assert read([text], WrittenTimes(zone, formats)) == [time]


def test_duckdb_knows_each_zone_and_each_part_that_is_accepted() -> None:
    with closing(duckdb.connect()) as connection:
        known = {
            str(name) for name, *_ in connection.execute("SELECT name FROM pg_timezone_names()").fetchall()
        }
        assert available_timezones() - known <= {"localtime", "Factory"}
        for part in _PARTS:
            connection.execute(f"SELECT try_strptime('x', '%{part}')").fetchall()
