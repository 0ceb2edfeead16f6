"""Queries with ``{{.window}}`` where the range goes: one text for all windows of an error budget."""

import re
from collections.abc import Collection, Iterator

from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    VectorSelector,
    display_duration,
    parse_duration,
)

from rulegen.promql.query.parse import Query, QueryError, children, parse

_WINDOW = re.compile(r"\{\{\s*\.window\s*\}\}")
# A range that nobody writes, so that all others are known to be the user's.
_STAND_IN = "7919s"
_PER_WINDOW = frozenset({"increase", "delta", "count_over_time", "sum_over_time", "changes", "resets"})
_COUNTED = ("rate", "increase")
_EXPECTED = "expected {{.window}} where the range goes, as in rate(requests_total[{{.window}}])"


def with_window(expression: str, window: str) -> str:
    """A query with ``{{.window}}`` filled in."""
    return _WINDOW.sub(window, expression)


def parse_windowed(text: str) -> Query:
    """The query in ``text``, each range being the window.

    Raises QueryError as `parse` does, and where a range is not the window.
    """
    # As long as what it stands for, so that the places of mistakes stay.
    filled = _WINDOW.sub(lambda found: _STAND_IN.ljust(len(found.group())), text)
    if "{{" in filled:
        raise QueryError("expected no template but {{.window}}", filled.index("{{"))
    query = parse(filled)
    if filled == text:
        raise QueryError(_EXPECTED)
    for node, _ in ranges(query.tree):
        if node.range is not None and node.range != parse_duration(_STAND_IN):
            own = f"[{display_duration(node.range)}]"
            message = f"the range {own} is the same for every window, expected [{{{{.window}}}}]"
            raise QueryError(message, max(text.find(own), 0))
    return query


def per_window(query: Query) -> bool:
    """Return whether it counts events of the whole window, not per second. Raises QueryError where it does both."""
    functions = {function for _, function in ranges(query.tree) if function}
    whole = functions & _PER_WINDOW
    if whole and functions - _PER_WINDOW:
        named = f"{min(whole)} counts events of the window, {min(functions - _PER_WINDOW)} per second"
        raise QueryError(f"{named}: expected one of the two")
    return bool(whole)


def ranges(node: Expr, function: str = "") -> Iterator[tuple[MatrixSelector | SubqueryExpr, str]]:
    """The outermost ranges below ``node``, each with the function that it is handed to."""
    if isinstance(node, MatrixSelector | SubqueryExpr):
        yield node, function
        return
    name = node.func.name if isinstance(node, Call) else ""
    for child in children(node):
        yield from ranges(child, name)


def summed(node: Expr, groups: Collection[str] = (), *, alone: bool = True) -> list[VectorSelector] | None:
    """Return the selectors in a sum of rates, or None where it is something else.

    Of several terms each must be a sum without labels but ``groups``, or they would not be added up. Where one of them
    is missing, so is the sum.
    """
    match node:
        case ParenExpr():
            return summed(node.expr, groups, alone=alone)
        case BinaryExpr() if str(node.op) == "+" and node.modifier is None:
            left, right = (summed(side, groups, alone=False) for side in (node.lhs, node.rhs))
            return None if left is None or right is None else [*left, *right]
        case AggregateExpr() if str(node.op) == "sum" and (alone or _kept(node) == frozenset(groups)):
            return summed(node.expr, groups, alone=True)
        case Call() if node.func.name in _COUNTED and alone and isinstance(node.args[0], MatrixSelector):
            selector = node.args[0].vector_selector
            return None if selector.offset is not None or selector.at is not None else [selector]
        case _:
            return None


def _kept(node: AggregateExpr) -> frozenset[str] | None:
    """Return the labels that a sum keeps; None where it is said by those that it does not."""
    if node.modifier is None:
        return frozenset()
    return frozenset(node.modifier.labels) if node.modifier.type == AggModifierType.By else None
