"""Example series of a raw pair of counters: what its selectors select."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from promql_parser import MatchOp, VectorSelector

from rulegen.promql.query import parse_windowed, summed
from rulegen.spec.model_slo import Ratio

_GUESSES = ("", "500", "503", "error", "5xx", "UNAVAILABLE", "GET", "POST")


@dataclass(frozen=True)
class Selected:
    """A series that a selector selects."""

    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class EventSeries:
    """Selected that count bad events, ``in_total`` or not, and ``rest``, which only the total counts.

    ``others`` are there too and count nothing: a sum of two rates is empty where one of them is.
    ``needed``: so is the total while there is no series of bad events. ``decoys`` differ in one label and must not
    count.
    """

    bad: tuple[Selected, ...]
    in_total: tuple[bool, ...]
    rest: tuple[Selected, ...]
    others: tuple[Selected, ...]
    needed: bool
    decoys: tuple[Selected, ...]


def event_series(ratio: Ratio, groups: Sequence[str] = ()) -> EventSeries | None:
    """Selected for ``ratio``, or None where it is no plain sums of rates, or none tells them apart."""
    errors, total = (summed(parse_windowed(text).tree, groups) for text in (ratio.errors, ratio.total))
    if errors is None or total is None:
        return None
    for first in errors:
        bad = _example(first)
        if bad is None or _count(errors, bad) != 1 or _count(total, bad) > 1:
            continue
        for rest in _rests(total, errors):
            if rest is None or _count(errors, rest) or _count(total, rest) != 1:
                continue
            others = _others([*errors, *total], [bad, rest])
            if others is not None:
                return _told_apart(errors, total, (bad, rest, *others))
    return None


def _told_apart(
    errors: Sequence[VectorSelector], total: Sequence[VectorSelector], known: Sequence[Selected]
) -> EventSeries:
    bad = tuple(one for one in known if _count(errors, one) == 1 and _count(total, one) <= 1)
    rest = tuple(one for one in known if not _count(errors, one) and _count(total, one) == 1)
    without = [one for one in known if one not in bad]
    in_total = tuple(_count(total, one) == 1 for one in bad)
    others = tuple(one for one in without if one not in rest)
    needed = not all(any(_selects(term, one) for one in without) for term in total)
    return EventSeries(bad, in_total, rest, others, needed, _decoys([*errors, *total], known))


def _rests(total: Sequence[VectorSelector], errors: Sequence[VectorSelector]) -> Iterator[Selected | None]:
    """Selected of the total, among them those that are no errors for what these are not: code!="OK"."""
    for term in total:
        yield _example(term)
        for matcher in (matcher for error in errors for matcher in error.matchers.matchers):
            if matcher.op == MatchOp.NotEqual:
                yield _example(term, {matcher.name: matcher.value})
            elif matcher.op == MatchOp.NotRe:
                found = _matching(matcher.value)
                yield _example(term, {matcher.name: found}) if found else None


def _decoys(terms: Sequence[VectorSelector], series: Sequence[Selected]) -> tuple[Selected, ...]:
    """Return series that none of ``terms`` selects, though they differ in one label only."""
    found: list[Selected] = []
    for one in series:
        for label, value in one.labels.items():
            other = Selected(one.name, {**one.labels, label: f"{value}-other"})
            if other not in found and not any(_selects(term, other) for term in terms):
                found.append(other)
    return tuple(found)


def _others(terms: Sequence[VectorSelector], known: Sequence[Selected]) -> tuple[Selected, ...] | None:
    """A series for each term that selects none of ``known``, or None where there is none for one."""
    found: list[Selected] = []
    for term in terms:
        if any(_selects(term, series) for series in (*known, *found)):
            continue
        other = _example(term)
        if other is None:
            return None
        found.append(other)
    return tuple(found)


def _count(terms: Sequence[VectorSelector], series: Selected) -> int:
    return sum(_selects(term, series) for term in terms)


def _example(selector: VectorSelector, others: Mapping[str, str] | None = None) -> Selected | None:
    """A series that ``selector`` selects, or None where none is found.

    ``others``: labels that it has beside those that the selector names.
    """
    matchers = selector.matchers.matchers
    labels = {matcher.name: matcher.value for matcher in matchers if matcher.op == MatchOp.Equal}
    for matcher in matchers:
        if matcher.op == MatchOp.Re and matcher.name not in labels:
            found = _matching(matcher.value)
            if found is None:
                return None
            labels[matcher.name] = found
    for matcher in matchers:
        if matcher.op in (MatchOp.NotEqual, MatchOp.NotRe):
            labels.setdefault(matcher.name, (others or {}).get(matcher.name, "other"))
    labels = {**(others or {}), **labels}
    name = selector.name or labels.pop("__name__", "")
    series = Selected(name, {label: value for label, value in labels.items() if value})
    return series if name and _selects(selector, series) else None


def _selects(selector: VectorSelector, series: Selected) -> bool:
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
