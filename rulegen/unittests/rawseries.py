"""Series that a raw pair of counters selects."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from rulegen.spec import Ratio

_LABELS = r"\([^()]*\)"
_SHAPE = re.compile(
    rf"""\s*(?P<sum>sum\s*(?:(?:by|without)\s*{_LABELS}\s*)?\()?\s*
    rate\s*\(\s*(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{{(?P<matchers>[^{{}}]*)\}})?\s*
    \[\s*\{{\{{\s*\.window\s*\}}\}}\s*\]\s*\)\s*
    (?(sum)\)\s*(?:(?:by|without)\s*{_LABELS}\s*)?)""",
    re.VERBOSE,
)
_MATCHER = re.compile(r"""\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:\\.|[^"\\])*")\s*(?:,|$)""")
_GUESSES = ("", "500", "503", "error", "5xx", "UNAVAILABLE", "GET", "POST")

Matcher = tuple[str, str, str]


@dataclass(frozen=True)
class Series:
    """One series."""

    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class EventSeries:
    """A series that counts bad events, and one that only the total counts."""

    errors: Series
    total: Series
    bad_in_total: bool


def event_series(ratio: Ratio) -> EventSeries | None:
    """Series for ``ratio``, or None where it is not two plain sums of rates, or none tells them apart."""
    errors, total = _selector(ratio.errors), _selector(ratio.total)
    if errors is None or total is None:
        return None
    bad = _example(*errors)
    rest = _example(*total)
    if bad is None or rest is None or _selects(errors, rest):
        return None
    return EventSeries(bad, rest, _selects(total, bad))


def _selector(expression: str) -> tuple[str, list[Matcher]] | None:
    shape = _SHAPE.fullmatch(expression)
    if shape is None:
        return None
    text = shape["matchers"] or ""
    matchers: list[Matcher] = []
    position = 0
    while text[position:].strip():
        found = _MATCHER.match(text, position)
        if found is None:
            return None
        try:
            matchers.append((found[1], found[2], json.loads(found[3])))
        except ValueError:
            return None
        position = found.end()
    return shape["name"], matchers


def _example(name: str, matchers: list[Matcher]) -> Series | None:
    labels: dict[str, str] = {}
    for label, sign, value in matchers:
        if sign == "=":
            labels[label] = value
    for label, sign, value in matchers:
        if sign == "=~" and label not in labels:
            example = _matching(value)
            if example is None:
                return None
            labels[label] = example
    series = Series(name, {label: value for label, value in labels.items() if value})
    return series if _selects((name, matchers), series) else None


def _matching(pattern: str) -> str | None:
    """A text that ``pattern`` matches: guessed, then verified."""
    first = pattern.split("|")[0].strip("()^$")
    simple = re.sub(r"\[0-9\][+*]?|\\d[+*]?", "5", first)
    simple = re.sub(r"\.[+*]", "x", simple).replace("\\.", "\0").replace(".", "0").replace("\0", ".")
    for guess in (simple, *_GUESSES):
        try:
            if guess and re.fullmatch(pattern, guess):
                return guess
        except re.error:
            return None
    return None


def _selects(selector: tuple[str, list[Matcher]], series: Series) -> bool:
    name, matchers = selector
    if name != series.name:
        return False
    for label, sign, value in matchers:
        found = series.labels.get(label, "")
        try:
            same = re.fullmatch(value, found) is not None if "~" in sign else found == value
        except re.error:
            return False
        if same == sign.startswith("!"):
            return False
    return True
