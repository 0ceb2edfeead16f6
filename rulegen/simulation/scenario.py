"""The AlertScenario file: what happens, and what is expected to be told of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from mlslo.yamlfile import Duration, File, Loaded, Name, StrictModel, WrittenText
from rulegen.alertmanager.matchers import parse
from rulegen.simulation.routes import milliseconds
from rulegen.spec.time_intervals import known_location

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


def _matcher(text: str) -> str:
    if not parse(text):
        raise ValueError(f"expected a matcher such as model=\"fraud\", got '{text}'")
    return text


def _long_enough(duration: Duration) -> Duration:
    if duration.seconds > 62 * 86_400:
        raise ValueError(f"expected at most 62d, got {duration}")
    return duration


Labels = dict[Name, Name]


class Span(StrictModel):
    """A stretch of time: so long after the start, or by the clock."""

    from_: Moment = Field(alias="from", description="Its begin, such as `10m` or `2026-10-25T02:30`.")
    until: Moment = Field(description="Its end.")


class Alert(StrictModel):
    """An alert that fires."""

    alert: Name = Field(description="Its name, as in the specs.")
    model: Name | None = Field(None, description="Of which model, where several have it.")
    slo: Name | None = Field(None, description="Of which SLO, where several have it.")
    labels: Labels = Field(
        default_factory=dict, description="Labels that come with its series, such as `feature: amount`."
    )
    from_: Moment = Field(alias="from", description="When it begins to fire: its `for` has passed.")
    until: Moment | None = Field(None, description="When it is over; without it, it fires to the end.")
    gaps: list[Span] = Field(
        default_factory=list,
        description="Times without its series. It resolves at once, unless its `keepFiringFor` holds it, and fires "
        "again when its `for` has passed.",
    )


class Silence(StrictModel):
    """What a person has asked not to be told."""

    matchers: Annotated[list[Annotated[str, AfterValidator(_matcher)]], Field(min_length=1)] = Field(
        description='Alertmanager\'s, such as `model="fraud"`; all must match.'
    )
    from_: Moment = Field(alias="from", description="Its begin.")
    until: Moment = Field(description="Its end.")


class Selection(StrictModel):
    """Which of what happened is meant: everything that is given must fit."""

    receiver: Name | None = Field(None, description="Who.")
    alert: Name | None = Field(None, description="Of which alert.")
    model: Name | None = Field(None, description="Of which model.")
    slo: Name | None = Field(None, description="Of which SLO.")
    labels: Labels = Field(default_factory=dict, description="Of an alert with these labels.")
    from_: Moment | None = Field(None, alias="from", description="Not before; without it, from the start.")
    until: Moment | None = Field(None, description="Not later; without it, to the end.")


class Notice(Selection):
    """Messages about an alert."""

    status: Literal["firing", "resolved"] | None = Field(
        None, description="That it fires, or that it is over."
    )


class Notified(Notice):
    """Messages that must be sent."""

    times: Annotated[int, Field(ge=1)] | None = Field(None, description="Exactly so many; without it, any.")


class HeldBack(Selection):
    """An alert that must be held back."""

    because: Literal["inhibited", "inactive", "muted", "silenced"] | None = Field(
        None, description="What must hold it back."
    )


class Expectations(StrictModel):
    """What must come of it; exit code 1 where it does not."""

    notified: list[Notified] = Field(default_factory=list, description="Who must be told what.")
    notNotified: list[Notice] = Field(default_factory=list, description="Who must not be told what.")
    heldBack: list[HeldBack] = Field(default_factory=list, description="What must be held back.")


class Metadata(StrictModel):
    """Which file it is."""

    name: Name = Field(description="What the scenario is called.")


class Spec(StrictModel):
    """What happens."""

    start: ClockTime = Field(
        description="When it begins: RFC 3339, or without an offset the time that clocks in `location` show."
    )
    location: Annotated[str, AfterValidator(known_location)] = Field(
        "UTC", description="Time zone of clock times in this file, and of those printed."
    )
    length: Annotated[Duration, AfterValidator(_long_enough)] = Field(
        description="How long it is, up to 62d."
    )
    alerts: list[Alert] = Field(default_factory=list, description="What fires when.")
    unreachable: list[Span] = Field(
        default_factory=list,
        description="When Alertmanager hears nothing from Prometheus; what fires is over after four minutes.",
    )
    silences: list[Silence] = Field(default_factory=list, description="What people have silenced.")
    expect: Expectations = Field(default_factory=Expectations, description="What must come of it.")


class ScenarioFile(File[Metadata, Spec]):
    """Which alerts fire when, and who must be told. For `mlslo-rulegen simulate`."""

    kind: Literal["AlertScenario"] = Field(description="What this file is.")


class Scenario(Loaded[Metadata, Spec]):
    """An AlertScenario file of the right form; what it names is checked where it meets the specs."""

    model_type = ScenarioFile

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.spec.location)


load = Scenario.load
