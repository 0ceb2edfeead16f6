"""Times as text or numbers, as SQL for epoch µs."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.parse.sql import text
from mlslo.monitor import WrittenTimes, has_offset

USUAL = WrittenTimes()
_HTTP = ("%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %Z")
_ACCESS_LOG = ("%d/%b/%Y:%H:%M:%S %z",)
# 20261129T100000.
_BASIC = "^([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})"
_LEAP_SECOND = ":[0-5][0-9]:60"
# So long before, a time that is skipped or shown twice has the offset from before the change.
_BEFORE_A_CHANGE = "INTERVAL 3 HOUR"


def epoch_microseconds(text_expression: str, times: WrittenTimes = USUAL) -> str:
    """Epoch µs of a time, or NULL.

    Without a format: of RFC 3339 text and what resembles it, RFC 1123, an access log's time, or a number whose size
    tells s, ms, µs or ns (years 1973 to 5138).
    """
    if times.formats:
        return _first(
            epoch(f"try_strptime({text_expression}, {text(form)})", has_offset(form), times.zone)
            for form in times.formats
        )
    number = f"TRY_CAST({text_expression} AS DOUBLE)"
    stamp = _stamp(text_expression, times.zone)
    zoned = ", ".join(map(text, (*_HTTP, *_ACCESS_LOG)))
    other = f"epoch_us(try_strptime({text_expression}, [{zoned}])::TIMESTAMPTZ)"
    # A cast that fails costs twice what one costs that does not: look at the text first.
    return (
        f"CASE WHEN ({text_expression})[5] = '-' THEN {stamp} "
        f"WHEN {number} IS NULL THEN {_first((stamp, other))} ELSE TRY_CAST(round(CASE "
        f"WHEN abs({number}) < 1e11 THEN {number} * 1e6 WHEN abs({number}) < 1e14 THEN {number} * 1e3 "
        f"WHEN abs({number}) < 1e17 THEN {number} ELSE {number} / 1e3 END) AS BIGINT) END"
    )


def epoch(stamp: str, zoned: bool, zone: str | None) -> str:
    """Epoch µs of a TIMESTAMPTZ, where ``zoned``, or of a TIMESTAMP in ``zone`` (UTC where None).

    A time that the clocks show twice is the first of the two: of a log that is read as it grows, the second would
    lie in the future. One that they skip is as far after the change as it is written after the change's begin.
    """
    if zoned or zone is None:
        return f"epoch_us({stamp})"
    if zone[0] in "+-":
        minutes = int(zone[1:3]) * 60 + int(zone[4:])
        return f"epoch_us({stamp}) {'-' if zone[0] == '+' else '+'} {minutes * 60_000_000}"
    name = text(zone)
    # DuckDB takes the second of the two; the offset of some hours before makes it the first.
    second = f"timezone({name}, {stamp})"
    before = f"({second} - {_BEFORE_A_CHANGE})"
    offset = f"(timezone({name}, {before}) - timezone('UTC', {before}))"
    first = f"timezone('UTC', {stamp} - {offset})"
    return f"epoch_us(CASE WHEN timezone({name}, {first}) = {stamp} THEN {first} ELSE {second} END)"


def _stamp(written: str, zone: str | None) -> str:
    """Epoch µs of RFC 3339 text, and of its kin that DuckDB does not know."""
    upper = f"upper({written})"
    # A fraction may begin with a comma (Python's logging), an offset with a space; digits may have nothing between.
    usual = f"replace({upper}, ',', '.')"
    tidy = f"regexp_replace(regexp_replace({usual}, '{_BASIC}', '\\1-\\2-\\3T\\4:\\5:\\6'), ' ([+-][0-9])', '\\1')"
    # As clocks of Unix count a leap second: it is the first of the next minute.
    earlier = f"regexp_replace({tidy}, '(:[0-5][0-9]):60', '\\1:59')"
    return _first(
        (
            _cast(written, zone),
            f"CASE WHEN contains({written}, ':60') AND regexp_matches({tidy}, '{_LEAP_SECOND}') "
            f"THEN {_cast(earlier, zone)} + 1000000 "
            # The standard's t and z may be small; DuckDB wants capitals.
            f"WHEN ({written})[11] = 't' OR (({written})[5] = '-' AND ({written})[-1] = 'z') THEN {_cast(upper, zone)} "
            f"ELSE {_cast(tidy, zone)} END",
        )
    )


def _cast(written: str, zone: str | None) -> str:
    stamp = f"epoch_us(TRY_CAST({written} AS TIMESTAMPTZ))"
    if zone is None:
        return stamp
    offset_is_there = f"regexp_matches(({written})[12:], '[A-Za-z+-]')"
    local = epoch(f"TRY_CAST({written} AS TIMESTAMP)", False, zone)
    return f"CASE WHEN {offset_is_there} THEN {stamp} ELSE {local} END"


def _first(expressions: Iterable[str]) -> str:
    found = list(expressions)
    return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"
