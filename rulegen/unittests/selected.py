"""An example of the series that a selector selects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from promql_parser import MatchOp, VectorSelector

_GUESSES = ("", "500", "503", "error", "5xx", "UNAVAILABLE", "GET", "POST")


@dataclass(frozen=True)
class Selected:
    """A series that a selector selects."""

    name: str
    labels: Mapping[str, str]

    def __hash__(self) -> int:
        return hash((self.name, frozenset(self.labels.items())))


def example(selector: VectorSelector, others: Mapping[str, str] | None = None) -> Selected | None:
    """A series that ``selector`` selects, or None where none is found.

    ``others``: labels that it has beside those that the selector names.
    """
    labels: dict[str, str] = {}
    for matcher in selector.matchers.matchers:
        if matcher.op == MatchOp.Equal:
            labels[matcher.name] = matcher.value
    for matcher in selector.matchers.matchers:
        if matcher.op == MatchOp.Re and matcher.name not in labels:
            found = matching(matcher.value)
            if found is None:
                return None
            labels[matcher.name] = found
    for matcher in selector.matchers.matchers:
        if matcher.op in (MatchOp.NotEqual, MatchOp.NotRe):
            labels.setdefault(matcher.name, (others or {}).get(matcher.name, "other"))
    labels = {**(others or {}), **labels}
    name = selector.name or labels.pop("__name__", "")
    series = Selected(name, {label: value for label, value in labels.items() if value})
    return series if name and selects(selector, series) else None


def selects(selector: VectorSelector, series: Selected) -> bool:
    """Return whether ``selector`` selects ``series``."""
    if selector.name and selector.name != series.name:
        return False
    for matcher in selector.matchers.matchers:
        found = series.name if matcher.name == "__name__" else series.labels.get(matcher.name, "")
        if matcher.op in (MatchOp.Re, MatchOp.NotRe):
            try:
                same = re.fullmatch(matcher.value, found) is not None
            except re.error:
                return False
        else:
            same = found == matcher.value
        if same == (matcher.op in (MatchOp.NotEqual, MatchOp.NotRe)):
            return False
    return True


def matching(pattern: str) -> str | None:
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
