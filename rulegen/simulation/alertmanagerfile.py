"""The shape of an ``alertmanager.yaml`` that people write, as far as the evaluator reads it: mistakes have a place.

The rest is Alertmanager's to judge (``amtool check-config``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from mlslo.yamlfile import Document, InputError, Problem, did_you_mean, quoted_list, validate
from rulegen.alertmanager.matchers import Matcher, parse
from rulegen.simulation.routes import milliseconds
from rulegen.spec.time_intervals import MONTHS, WEEKDAYS, known_location

# Words that YAML 1.1, and so Alertmanager, reads as true and false.
_TRUTH = {**dict.fromkeys(("y", "yes", "on"), True), **dict.fromkeys(("n", "no", "off"), False)}
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")


class _Part(BaseModel):
    """Base of its parts; keys that are not named are not looked at."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


def _boolean(value: Any) -> Any:
    return _TRUTH.get(value.lower(), value) if isinstance(value, str) else value


def _text(value: Any) -> Any:
    """A number or a boolean where text belongs is that text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _wait(text: str) -> str:
    try:
        milliseconds(text)
    except ValueError:
        raise ValueError(f"expected a duration such as 30s, got '{text}'") from None
    return text


def _matchers(text: str) -> str:
    parse(text)
    return text


def _expression(text: str) -> str:
    Matcher("label", "=~", text)
    return text


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError(f"expected a time of day such as 09:00, got '{text}'")
    return text


def _range(pattern: str, expected: str) -> Callable[[str], str]:
    """One or two, with a colon between, in any case."""
    form = re.compile(rf"\s*({pattern})\s*(:\s*({pattern})\s*)?", re.IGNORECASE)

    def check(text: str) -> str:
        if not form.fullmatch(text):
            raise ValueError(f"expected {expected}, got '{text}'")
        return text

    return check


Boolean = Annotated[bool, BeforeValidator(_boolean)]
Text = Annotated[str, BeforeValidator(_text)]
Wait = Annotated[Text, AfterValidator(_wait)]
Names = list[Text] | None
Matchers = list[Annotated[Text, AfterValidator(_matchers)]] | None
Values = dict[str, Text] | None
Expressions = dict[str, Annotated[Text, AfterValidator(_expression)]] | None
Clock = Annotated[str, AfterValidator(_clock)]
Weekday = Annotated[
    Text, AfterValidator(_range("|".join(WEEKDAYS), "a weekday such as monday, or monday:friday"))
]
Month = Annotated[
    Text,
    AfterValidator(_range("|".join([*MONTHS, "0?[1-9]|1[0-2]"]), "a month such as may or 5, or may:july")),
]
Day = Annotated[Text, AfterValidator(_range("-?[0-9]{1,2}", "a day of the month such as 1 or -1, or 1:7"))]
Year = Annotated[Text, AfterValidator(_range("[0-9]{1,4}", "a year such as 2026, or 2026:2030"))]


class _Route(_Part):
    receiver: Text | None = None
    group_by: Names = None
    group_wait: Wait | None = None
    group_interval: Wait | None = None
    repeat_interval: Wait | None = None
    match: Values = None
    match_re: Expressions = None
    matchers: Matchers = None
    mute_time_intervals: Names = None
    active_time_intervals: Names = None
    # "continue" is no name in Python.
    continues: Boolean | None = Field(None, alias="continue")
    routes: list[_Route] | None = None


class _Integration(_Part):
    send_resolved: Boolean | None = None


class _Receiver(_Part):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    # Each of its integrations.
    __pydantic_extra__: dict[str, list[_Integration] | None]

    name: Text


class _Inhibition(_Part):
    source_match: Values = None
    source_match_re: Expressions = None
    source_matchers: Matchers = None
    target_match: Values = None
    target_match_re: Expressions = None
    target_matchers: Matchers = None
    equal: Names = None


class _Times(_Part):
    start_time: Clock
    end_time: Clock


class _Entry(_Part):
    times: list[_Times] = Field(default_factory=list)
    weekdays: list[Weekday] = Field(default_factory=list)
    days_of_month: list[Day] = Field(default_factory=list)
    months: list[Month] = Field(default_factory=list)
    years: list[Year] = Field(default_factory=list)
    location: Annotated[str, AfterValidator(known_location)] = "UTC"


class _Interval(_Part):
    name: Text
    time_intervals: list[_Entry]


class AlertmanagerFile(_Part):
    """The file."""

    route: _Route
    receivers: list[_Receiver] | None = None
    inhibit_rules: list[_Inhibition] | None = None
    time_intervals: list[_Interval] | None = None
    mute_time_intervals: list[_Interval] | None = None


def readable(document: Document, beside: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The data of an ``alertmanager.yaml`` as the evaluator takes them.

    ``beside`` are the data of another part of the file, whose names may be used. Raises InputError, with a place,
    for what Alertmanager would not understand.
    """
    file = validate(document, AlertmanagerFile)
    receivers, intervals = (
        [
            *(one.name for section in sections for one in getattr(file, section) or ()),
            *(one["name"] for section in sections for one in (beside or {}).get(section, ())),
        ]
        for sections in (("receivers",), ("time_intervals", "mute_time_intervals"))
    )
    known = {"receiver": receivers, "mute_time_intervals": intervals, "active_time_intervals": intervals}
    problems = list(_undefined(document, file.route, ("route",), known))
    if problems:
        raise InputError(problems)
    return file.model_dump(by_alias=True, exclude_none=True)


def _undefined(
    document: Document, route: _Route, at: tuple[str | int, ...], known: dict[str, list[str]]
) -> Iterator[Problem]:
    """Names that a route uses and nothing has."""
    for key, valid in known.items():
        used = getattr(route, key) or ()
        for index, name in enumerate([used] if isinstance(used, str) else used):
            if name not in valid:
                place = (*at, key) if isinstance(used, str) else (*at, key, index)
                what = "receiver" if key == "receiver" else "time interval"
                listed = f"expected one of {quoted_list(valid)}" if valid else "there is none"
                yield document.problem(place, f"no {what} '{name}', {listed}{did_you_mean(name, valid)}")
    for index, child in enumerate(route.routes or ()):
        yield from _undefined(document, child, (*at, "routes", index), known)
