"""Moments in a scenario: so long after its start, or by a clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Any, ClassVar, Self

from mlslo.yamlfile import WrittenText
from rulegen.simulation.durations import milliseconds

_CLOCK = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*")


class ClockTime(WrittenText):
    """A date and a time of day, kept as it was written; ``time`` knows its zone where the text says its offset.

    Raises ValueError where the text is none.
    """

    __slots__ = ("time",)
    time: datetime
    expected = "expected a time such as 2026-10-25T01:30 or 2026-10-25T01:30:00+02:00"
    form: ClassVar[dict[str, Any]] = {"examples": ["2026-10-25T01:30", "2026-10-25T01:30:00+02:00"]}

    def __new__(cls, text: str) -> Self:
        if not _CLOCK.fullmatch(text):
            raise ValueError(f"{cls.expected}, got '{text}'")
        made = super().__new__(cls, text)
        try:
            made.time = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"there is no such time as '{text}': {error}") from None
        return made


class Moment(ClockTime):
    """So long after the scenario's start (``after``, milliseconds), or a clock time."""

    __slots__ = ("after",)
    after: int | None
    expected = "expected a time after the start such as 10m, or one such as 2026-10-25T02:30"
    form: ClassVar[dict[str, Any]] = {"examples": ["10m", "2026-10-25T02:30", "2026-10-25T02:30:00+01:00"]}

    def __new__(cls, text: str) -> Self:
        if _CLOCK.fullmatch(text):
            made = super().__new__(cls, text)
            made.after = None
            return made
        try:
            after = milliseconds(text)
        except ValueError:
            raise ValueError(f"{cls.expected}, got '{text}'") from None
        made = str.__new__(cls, text)
        made.after = after
        return made


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
