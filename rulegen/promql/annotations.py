"""Annotation texts: as Prometheus templates, and as what Prometheus will make of them.

The second is what the generated unit tests expect, so it does not run any template.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rulegen.promql.expressions import quote

Format = tuple[str, Callable[[float], str]]


def _float(value: float) -> str:
    """Go's %.4g."""
    return "NaN" if math.isnan(value) else f"{value:.4g}"


def _duration(value: float) -> str:
    """Prometheus' humanizeDuration."""
    if math.isnan(value):
        return _float(value)
    if value == 0:
        return "0s"
    if abs(value) < 1:
        prefixes = iter(("m", "u", "n"))
        prefix = ""
        while abs(value) < 1 and (smaller := next(prefixes, "")):
            value, prefix = value * 1000, smaller
        return f"{value:.4g}{prefix}s"
    sign = "-" if value < 0 else ""
    minutes, seconds = divmod(int(abs(value)), 60)
    if not minutes:
        return f"{sign}{abs(value):.4g}s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    longer = f"{days}d {hours}h " if days else f"{hours}h " if hours else ""
    return f"{sign}{longer}{minutes}m {seconds}s"


def _percentage(value: float) -> str:
    """Prometheus' humanizePercentage."""
    return f"{_float(value * 100)}%"


def _date(value: float) -> str:
    digits = f"{value:.0f}"
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def _timestamp(value: float) -> str:
    """Prometheus' humanizeTimestamp: to the millisecond, where it is no whole second."""
    if math.isnan(value):
        return _float(value)
    seconds, milliseconds = divmod(int(value * 1e9 / 1e6), 1000)
    fraction = f".{milliseconds:03d}".rstrip("0") if milliseconds else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


PLAIN: Format = ('printf "%.4g"', _float)
DURATION: Format = ("humanizeDuration", _duration)
PERCENTAGE: Format = ("humanizePercentage", _percentage)
TIMESTAMP: Format = ("humanizeTimestamp", _timestamp)
# Of 20261101.
DATE: Format = ('printf "%.0f" | reReplaceAll "(.{4})(..)(..)" "$1-$2-$3"', _date)


def format_of(unit: str) -> Format:
    """Return the format of values of a catalogue unit. `humanize` is none: it prints 0.7 as 700m."""
    return {"seconds": DURATION, "Unix seconds": TIMESTAMP}.get(unit, PLAIN)


@dataclass(frozen=True)
class Firing:
    """The data of a template when its alert fires."""

    labels: Mapping[str, str]
    value: float
    looked_up: Mapping[str, float | None] = field(default_factory=dict)
    members: Sequence[tuple[Mapping[str, str], float]] = ()


@dataclass(frozen=True)
class Label:
    """The value of a label that comes with the series."""

    name: str

    def template(self) -> str:
        return f"{{{{ $labels.{self.name} }}}}"

    def render(self, firing: Firing) -> str:
        return firing.labels[self.name]


@dataclass(frozen=True)
class Literal:
    """A text in which braces stand that would begin an action."""

    text: str

    def template(self) -> str:
        return f"{{{{ {raw_string(self.text)} }}}}"

    def render(self, firing: Firing) -> str:  # noqa: ARG002 - one interface for all
        return self.text


@dataclass(frozen=True)
class Value:
    """The value of the alert's expression."""

    format: Format = PLAIN

    def template(self) -> str:
        return f"{{{{ $value | {self.format[0]} }}}}"

    def render(self, firing: Firing) -> str:
        return self.format[1](firing.value)


@dataclass(frozen=True)
class Lookup:
    """The value of another record when the alert fires, or "unknown"."""

    record: str
    fixed: tuple[tuple[str, str], ...]
    varying: tuple[str, ...]
    format: Format = PLAIN

    def template(self) -> str:
        matchers = [f"{label}={quote(value)}" for label, value in self.fixed]
        if self.varying:
            matchers = [matcher.replace("%", "%%") for matcher in matchers]
            matchers += [f"{label}=%q" for label in self.varying]
        text = raw_string(f"{self.record}{{{','.join(matchers)}}}")
        if self.varying:
            values = " ".join(f"$labels.{label}" for label in self.varying)
            query = f"printf {text} {values} | query"
        else:
            query = f"query {text}"
        shown = f"{{{{ . | first | value | {self.format[0]} }}}}"
        return f"{{{{ with {query} }}}}{shown}{{{{ else }}}}unknown{{{{ end }}}}"

    def render(self, firing: Firing) -> str:
        value = firing.looked_up.get(self.record)
        return "unknown" if value is None else self.format[1](value)


@dataclass(frozen=True)
class Members:
    """The series that an expression selects, by the labels that tell them apart, with their values."""

    expression: str
    labels: tuple[str, ...]
    same: tuple[str, ...]
    format: Format = PLAIN
    otherwise: str = ""

    def template(self) -> str:
        expression = raw_string(" ".join(self.expression.split()))
        ordered = "".join(f" | sortByLabel {quote(label)}" for label in reversed(self.labels))
        named = " ".join(f"{{{{ .Labels.{label} }}}}" for label in self.labels)
        one = f" {named} ({{{{ .Value | {self.format[0]} }}}})"
        for label in self.same:
            one = f"{{{{ if eq .Labels.{label} $labels.{label} }}}}{one}{{{{ end }}}}"
        otherwise = f"{{{{ else }}}}{self.otherwise}" if self.otherwise else ""
        return f"{{{{ range query {expression}{ordered} }}}}{one}{otherwise}{{{{ end }}}}"

    def render(self, firing: Firing) -> str:
        ordered = sorted(firing.members, key=lambda member: [member[0][label] for label in self.labels])
        return (
            "".join(
                f" {' '.join(labels[label] for label in self.labels)} ({self.format[1](value)})"
                for labels, value in ordered
            )
            or self.otherwise
        )


Part = str | Literal | Label | Value | Lookup | Members


@dataclass(frozen=True)
class Text:
    """A text with parts that are known only when the alert fires."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, *parts: Part | Text) -> Text:
        """One text of several."""
        flat: list[Part] = []
        for part in parts:
            flat.extend(part.parts if isinstance(part, Text) else (part,))
        return cls(tuple(flat))

    def template(self) -> str:
        """For the rule file."""
        return "".join(part if isinstance(part, str) else part.template() for part in self.parts)

    def render(self, firing: Firing) -> str:
        """Render it as Prometheus does."""
        return "".join(part if isinstance(part, str) else part.render(firing) for part in self.parts)


def raw_string(text: str) -> str:
    """``text`` as a string of Go's templates."""
    return quote(text) if "`" in text else f"`{text}`"
