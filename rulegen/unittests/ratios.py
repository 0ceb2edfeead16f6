"""Example series of a raw pair of counters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promql_parser import MatchOp, VectorSelector

from rulegen.promql.query import parse_windowed, summed
from rulegen.spec.model_slo import Ratio
from rulegen.unittests.selected import Selected, example, matching, selects


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


def event_series(ratio: Ratio) -> EventSeries | None:
    """Selected for ``ratio``, or None where it is no plain sums of rates, or none tells them apart."""
    errors, total = summed(parse_windowed(ratio.errors).tree), summed(parse_windowed(ratio.total).tree)
    if errors is None or total is None:
        return None
    for first in errors:
        bad = example(first)
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
    counted = {one: (_count(errors, one), _count(total, one)) for one in known}
    bad = tuple(one for one in known if counted[one] in ((1, 0), (1, 1)))
    rest = tuple(one for one in known if counted[one] == (0, 1))
    without = [one for one in known if one not in bad]
    return EventSeries(
        bad,
        tuple(counted[one][1] == 1 for one in bad),
        rest,
        tuple(one for one in without if one not in rest),
        not all(any(selects(term, one) for one in without) for term in total),
        decoys([*errors, *total], known),
    )


def _rests(total: Sequence[VectorSelector], errors: Sequence[VectorSelector]) -> Iterator[Selected | None]:
    """Selected of the total, among them those that are no errors for what these are not: code!="OK"."""
    for term in total:
        yield example(term)
        for matcher in (matcher for error in errors for matcher in error.matchers.matchers):
            if matcher.op == MatchOp.NotEqual:
                yield example(term, {matcher.name: matcher.value})
            elif matcher.op == MatchOp.NotRe:
                found = matching(matcher.value)
                yield example(term, {matcher.name: found}) if found else None


def decoys(terms: Sequence[VectorSelector], series: Sequence[Selected]) -> tuple[Selected, ...]:
    """Return series that none of ``terms`` selects, though they differ in one label only."""
    found: list[Selected] = []
    for one in series:
        for label, value in one.labels.items():
            other = Selected(one.name, {**one.labels, label: f"{value}-other"})
            if other not in found and not any(selects(term, other) for term in terms):
                found.append(other)
    return tuple(found)


def _others(terms: Sequence[VectorSelector], known: Sequence[Selected]) -> tuple[Selected, ...] | None:
    """A series for each term that selects none of ``known``, or None where there is none for one."""
    found: list[Selected] = []
    for term in terms:
        if any(selects(term, series) for series in (*known, *found)):
            continue
        other = example(term)
        if other is None:
            return None
        found.append(other)
    return tuple(found)


def _count(terms: Sequence[VectorSelector], series: Selected) -> int:
    return sum(selects(term, series) for term in terms)
