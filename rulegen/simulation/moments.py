"""Moments in a scenario: so long after its start, or by a clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from rulegen.simulation.durations import milliseconds

_EXPECTED = "expected a time after the start such as 10m, or a clock time such as 2026-10-25T02:30"
_ABSOLUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*")


def absolute(text: Any) -> datetime:
    """A clock time, in RFC 3339 or without its zone. Raises ValueError."""
    if not isinstance(text, str) or not _ABSOLUTE.fullmatch(text):
        raise ValueError(
            f"expected a time such as 2026-10-25T01:30 or 2026-10-25T01:30:00+02:00, got {_shown(text)}"
        )
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"no such time: '{text}' ({error})") from None


def moment(text: Any) -> int | datetime:
    """Milliseconds after the start, or a clock time. Raises ValueError."""
    if isinstance(text, str) and _ABSOLUTE.fullmatch(text):
        return absolute(text)
    if not isinstance(text, str):
        raise ValueError(f"{_EXPECTED}, got {_shown(text)}")  # noqa: TRY004 - pydantic's way
    try:
        return milliseconds(text)
    except ValueError:
        raise ValueError(f"{_EXPECTED}, got {_shown(text)}") from None


def in_zone(time: datetime, zone: tzinfo) -> datetime:
    """A clock time as a moment: by its own zone, or else by ``zone``.

    Raises ValueError where clocks show it twice, or never: they are put back or forward.
    """
    if time.tzinfo is not None:
        return time
    first, second = (time.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != time:
        raise ValueError(f"no clock in {zone} shows {time.isoformat()}: they are put forward over it")
    examples = " or ".join(option.isoformat() for option in (first, second))
    raise ValueError(f"clocks in {zone} show {time.isoformat()} twice; write {examples}")


def _shown(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else "nothing" if value is None else str(value)


_TEXT = {"type": "string", "examples": ["10m", "2026-10-25T02:30", "2026-10-25T02:30:00+01:00"]}
Moment = Annotated[int | datetime, BeforeValidator(moment), WithJsonSchema(_TEXT)]
ClockTime = Annotated[
    datetime, BeforeValidator(absolute), WithJsonSchema({"type": "string", "examples": _TEXT["examples"][1:]})
]
