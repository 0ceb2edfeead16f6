"""Times as a log writes them: the zone of those without an offset, and the formats of odd ones."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Discriminator, Field, Tag

from mlslo.yamlfile import did_you_mean

_OFFSET = re.compile(r"[+-](0[0-9]|1[0-4]):[0-5][0-9]")
_LOOKS_LIKE_AN_OFFSET = re.compile(r"[+-]?[0-9:]+")
_PART = re.compile(r"%(-?.?)", re.DOTALL)
# What DuckDB's strptime reads; those with a hyphen it reads with and without a leading zero.
_PARTS = (
    *(
        "a",
        "A",
        "b",
        "B",
        "c",
        "d",
        "-d",
        "f",
        "g",
        "G",
        "H",
        "-H",
        "I",
        "-I",
        "j",
        "-j",
        "m",
        "-m",
        "M",
        "-M",
        "n",
    ),
    *("p", "S", "-S", "u", "U", "V", "w", "W", "x", "X", "y", "-y", "Y", "z", "Z", "%"),
)
_ZONED = ("z", "Z")
_DAYS = (
    ("c",), ("x",),
    *((year, month, day) for year in ("Y", "y") for month in ("m", "b", "B") for day in ("d",)),
    *((year, "j") for year in ("Y", "y")),
    ("G", "V", "u"),
)  # fmt: skip


def _known_zone(name: str) -> str:
    """A name of the IANA database, or an offset. Raises ValueError."""
    expected = "expected a time zone such as Europe/Berlin, or an offset such as +05:30"
    if _OFFSET.fullmatch(name):
        return name
    if _LOOKS_LIKE_AN_OFFSET.fullmatch(name):
        raise ValueError(f"{expected}, got '{name}'")
    try:
        ZoneInfo(name)
        known = name not in ("localtime", "Factory")
    except (ValueError, OSError, LookupError):
        # A machine without a time zone database can judge no name.
        known = not available_timezones()
    if not known:
        raise ValueError(f"{expected}, got '{name}'{did_you_mean(name, available_timezones())}")
    return name


def _parts(text: str) -> list[str]:
    return _PART.findall(text)


def _readable_format(text: str) -> str:
    """A format of DuckDB's strptime that tells the day. Raises ValueError."""
    parts = _parts(text)
    for part in parts:
        if part not in _PARTS:
            shown = ", ".join("%" + known for known in _PARTS)
            raise ValueError(f"'%{part}' in '{text}' is no part of a time; expected {shown}")
    letters = {part.removeprefix("-") for part in parts}
    if not any(letters.issuperset(day) for day in _DAYS):
        raise ValueError(
            f"expected a format with year, month and day such as %d.%m.%Y %H:%M:%S, got '{text}'"
        )
    return text


TimeZone = Annotated[str, AfterValidator(_known_zone)]
_Format = Annotated[str, AfterValidator(_readable_format)]
_Formats = Annotated[list[_Format], Field(min_length=1, max_length=8)]
# A discriminator: without one a mistake would be told of both forms.
TimeFormat = Annotated[
    Annotated[_Format, Tag("one")] | Annotated[_Formats, Tag("several")],
    Discriminator(lambda value: "several" if isinstance(value, list) else "one"),
]


class WrittenTimes(NamedTuple):
    """How a log writes its times.

    ``zone``: of times without an offset; None is UTC. ``formats``: of strptime, the first that fits; none where times
    are written in one of the usual ways.
    """

    zone: str | None = None
    formats: tuple[str, ...] = ()

    @classmethod
    def of(cls, zone: str | None, formats: str | list[str] | None) -> WrittenTimes:
        """Return what the keys ``timezone`` and ``timeFormat`` say."""
        return cls(zone, (formats,) if isinstance(formats, str) else tuple(formats or ()))


def has_offset(time_format: str) -> bool:
    """Return True where a format of strptime reads an offset or the name of a zone."""
    return any(part in _ZONED for part in _parts(time_format))
