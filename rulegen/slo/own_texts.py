"""Summaries and descriptions that a user words: plain text, and variables in `{{ }}`.

They are no templates of Prometheus: each variable becomes a part of a text of ours, so that one that exists cannot fail
when the alert fires, and the generated tests know what Prometheus makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlslo.yamlfile import did_you_mean, quoted_list
from rulegen.conditions import Kind, Limit
from rulegen.conditions.series_count import Several
from rulegen.conditions.threshold import shown
from rulegen.promql.annotations import (
    DURATION,
    PERCENTAGE,
    PLAIN,
    TIMESTAMP,
    Format,
    Label,
    Literal,
    Lookup,
    Members,
    Part,
    Text,
    Value,
    format_of,
)
from rulegen.sli.gauge import GaugeSeries

# By the names of Prometheus' functions; its `humanize` is none: it prints 0.7 as 700m.
_FORMATS: dict[str, Format] = {
    "humanizePercentage": PERCENTAGE,
    "humanizeDuration": DURATION,
    "humanizeTimestamp": TIMESTAMP,
    'printf "%.4g"': PLAIN,
}
_VARIABLE = re.compile(r"\s*(\$labels\.|\$)?([a-zA-Z_]\w*)\s*(?:\|\s*(.*?)\s*)?")


class TextError(Exception):
    """A mistake at a character of a text."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True)
class Variables:
    """Variables that a text may name. ``labels``: those of the alert; ``own``: everything else, which comes first."""

    labels: Mapping[str, Part]
    own: Mapping[str, Part | Text]

    def find(self, name: str, *, label: bool) -> Part | Text | None:
        """Return a variable by its name, or a ``label`` only."""
        found = None if label else self.own.get(name)
        return found if found is not None else self.labels.get(name)


def of_gauge(
    labels: Mapping[str, str], series: GaugeSeries, kind: Kind, several: Several | None
) -> Variables:
    """Return the variables of an alert on a gauge. ``labels``: those of the alert whose values are known."""
    unit = series.metric.unit
    own: dict[str, Part | Text] = {"metric": series.title, "condition": kind.phrase(values=not several)}
    if several:
        same = tuple(label for label in series.varying if label == "version")
        own |= {
            "value": Value(several.format),
            "limit": several.limit,
            "members": Members(kind.expression(), series.entities, same, format_of(unit)),
        }
    else:
        own["value"] = Value(format_of(unit))
        if isinstance(kind, Limit):
            own["limit"] = shown(kind.limit, unit)
    kept = [label for label in (several.labels if several else series.labels) if label not in labels]
    varying: dict[str, Part] = {label: series.fixed.get(label) or Label(label) for label in kept}
    return Variables({**labels, **varying}, own)


def text_of(text: str, variables: Variables) -> Text:
    """Read a text. Raises TextError."""
    parts: list[Part | Text] = []
    position = 0
    while (begin := text.find("{{", position)) >= 0:
        end = text.find("}}", begin)
        if end < 0:
            raise TextError(begin, "'{{' without its '}}'")
        parts += [text[position:begin], _variable(text[begin + 2 : end], begin + 2, variables)]
        position = end + 2
    return Text.of(*(part for part in [*parts, text[position:].rstrip()] if part != ""))


def _variable(action: str, begin: int, variables: Variables) -> Part | Text:
    names = [*variables.own, *(name for name in variables.labels if name not in variables.own)]
    found = _VARIABLE.fullmatch(action)
    if found is None:
        message = (
            f"expected a variable such as {{{{ value }}}} or {{{{ $labels.slo }}}}, got '{action.strip()}'"
        )
        begin += len(action) - len(action.lstrip())
        raise TextError(begin, f"{message}; there are {quoted_list(names, 30)}")
    prefix, name, function = found.groups()
    label = prefix == "$labels."
    part = variables.find(name, label=label)
    if part is None:
        known = list(variables.labels) if label else names
        what = "label" if label else "variable"
        message = f"unknown {what} '{name}', expected one of {quoted_list(known, 30)}"
        raise TextError(begin + found.start(2), message + did_you_mean(name, known))
    if function is not None:
        return _formatted(name, part, function, begin + found.start(3))
    # What looks like an action would be one.
    return Literal(part) if isinstance(part, str) and "{" in part else part


def _formatted(name: str, part: Part | Text, function: str, offset: int) -> Part:
    if not isinstance(part, Value | Lookup):
        raise TextError(offset, f"'{name}' is no number, expected nothing after it")
    if function not in _FORMATS:
        near = did_you_mean(function, _FORMATS)
        raise TextError(offset, f"expected one of {quoted_list(_FORMATS)}, got '{function}'{near}")
    return replace(part, format=_FORMATS[function])
