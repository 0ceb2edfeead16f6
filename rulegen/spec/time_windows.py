"""Over what an objective holds: a rolling time, or a month, a quarter or a week of the calendar."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from mlslo.yamlfile import Duration, StrictModel
from rulegen.spec.clock_changes import Clock, clock_of
from rulegen.spec.time_intervals import known_location

Period = Literal["month", "quarter", "week"]

# What burn rates are reckoned by, and the longest that there is, with the hour that a clock is put back.
_NOMINAL = {"month": Duration("30d"), "quarter": Duration("90d"), "week": Duration("7d")}
_LONGEST = {"month": Duration("32d"), "quarter": Duration("93d"), "week": Duration("8d")}


def _regular(zone: str) -> str:
    """A time zone that there is, whose clocks change by a rule. Raises ValueError."""
    if zone in ("Local", "localtime", "Factory"):
        raise ValueError(
            f"expected a time zone such as Europe/Berlin, got '{zone}': Prometheus knows UTC only"
        )
    clock_of(known_location(zone))
    return zone


class CalendarWindow(StrictModel):
    """A time window of the calendar: the budget is whole again when the next begins."""

    calendar: Period = Field(description="The budget begins anew with each; a week begins on Monday.")
    zone: Annotated[str, AfterValidator(_regular)] = Field(
        "UTC", description="Time zone whose midnight it begins at, such as `Europe/Berlin`."
    )

    @property
    def clock(self) -> Clock:
        """The clock of its zone."""
        return clock_of(self.zone)

    @property
    def phrase(self) -> str:
        """``a month of Europe/Berlin``."""
        return f"a {self.calendar}" + (f" of {self.zone}" if self.zone != "UTC" else "")


TimeWindow = Annotated[
    Annotated[Duration, Tag("a duration")] | Annotated[CalendarWindow, Tag("a mapping")],
    Discriminator(lambda value: "a mapping" if isinstance(value, dict | CalendarWindow) else "a duration"),
]


def nominal(window: Duration | CalendarWindow) -> Duration:
    """Return the length that burn rates are reckoned by: 30, 90 or 7 days of the calendar."""
    return window if isinstance(window, Duration) else _NOMINAL[window.calendar]


def longest(window: Duration | CalendarWindow) -> Duration:
    """Return how far its rules look back at most."""
    return window if isinstance(window, Duration) else _LONGEST[window.calendar]


def phrase(window: Duration | CalendarWindow) -> str:
    """Return it as in "99.5 % over 30d", "99.5 % over a month of Europe/Berlin"."""
    return str(window) if isinstance(window, Duration) else window.phrase
