"""Series that a raw pair of counters selects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatchOp,
    MatrixSelector,
    ParenExpr,
    VectorSelector,
)

from rulegen.query import parse_windowed
from rulegen.slispec import Ratio
from rulegen.unittests.selected import Series, example, matching, selects

_COUNTED = ("rate", "increase")


@dataclass(frozen=True)
class EventSeries:
    """A series that counts bad events, and one that only the total counts.

    ``others`` are there too and count nothing: a sum of two rates is empty where one of them is.
    ``needed``: so is the total while there is no series of bad events. ``decoys`` differ in one label and must not
    count.
    """

    errors: Series
    total: Series
    bad_in_total: bool
    others: tuple[Series, ...]
    needed: bool
    decoys: tuple[Series, ...]


def event_series(ratio: Ratio) -> EventSeries | None:
    """Series for ``ratio``, or None where it is no plain sums of rates, or none tells them apart."""
    errors, total = _terms(parse_windowed(ratio.errors).tree), _terms(parse_windowed(ratio.total).tree)
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
                known = (rest, *others)
                needed = not all(any(selects(term, series) for series in known) for term in total)
                decoys = _decoys([*errors, *total], (bad, rest))
                return EventSeries(bad, rest, _count(total, bad) == 1, others, needed, decoys)
    return None


def _rests(total: Sequence[VectorSelector], errors: Sequence[VectorSelector]) -> Iterator[Series | None]:
    """Series of the total, among them those that are no errors for what these are not: code!="OK"."""
    for term in total:
        yield example(term)
        for matcher in (matcher for error in errors for matcher in error.matchers.matchers):
            if matcher.op == MatchOp.NotEqual:
                yield example(term, {matcher.name: matcher.value})
            elif matcher.op == MatchOp.NotRe:
                found = matching(matcher.value)
                yield example(term, {matcher.name: found}) if found else None


def _decoys(terms: Sequence[VectorSelector], series: Sequence[Series]) -> tuple[Series, ...]:
    """What none of ``terms`` selects, though it differs from what they do in one label only."""
    found: list[Series] = []
    for one in series:
        for label, value in one.labels.items():
            other = Series(one.name, {**one.labels, label: f"{value}-other"})
            if other not in found and not any(selects(term, other) for term in terms):
                found.append(other)
    return tuple(found)


def _others(terms: Sequence[VectorSelector], known: Sequence[Series]) -> tuple[Series, ...] | None:
    """A series for each term that selects none of ``known``, or None where there is none for one."""
    found: list[Series] = []
    for term in terms:
        if any(selects(term, series) for series in (*known, *found)):
            continue
        other = example(term)
        if other is None:
            return None
        found.append(other)
    return tuple(found)


def _count(terms: Sequence[VectorSelector], series: Series) -> int:
    return sum(selects(term, series) for term in terms)


def _terms(node: Expr, *, alone: bool = True) -> list[VectorSelector] | None:
    """What a sum of rates selects, or None where it is something else.

    Of several terms each must be a sum without labels, or they would not be added up.
    """
    match node:
        case ParenExpr():
            return _terms(node.expr, alone=alone)
        case BinaryExpr() if str(node.op) == "+" and node.modifier is None:
            left, right = _terms(node.lhs, alone=False), _terms(node.rhs, alone=False)
            return None if left is None or right is None else [*left, *right]
        case AggregateExpr() if str(node.op) == "sum" and (alone or node.modifier is None):
            return _terms(node.expr, alone=True)
        case Call() if node.func.name in _COUNTED and alone and isinstance(node.args[0], MatrixSelector):
            selector = node.args[0].vector_selector
            return None if selector.offset is not None or selector.at is not None else [selector]
        case _:
            return None
