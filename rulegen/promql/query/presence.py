"""Presence of a query's result: even where nothing is scraped, or not even where something is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)

from rulegen.promql.query.parse import Query, children
from rulegen.promql.query.tokens import tokens

ABSENT = ("absent", "absent_over_time")
_FROM_NOTHING = (*ABSENT, "scalar", "vector")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def is_always_there(node: Expr) -> bool:
    """Return whether ``node`` may give something while no series is there, as ``sum(errors) or vector(0)`` does."""
    match node:
        case VectorSelector() | MatrixSelector():
            return False
        case ParenExpr() | UnaryExpr() | SubqueryExpr() | AggregateExpr():
            return is_always_there(node.expr)
        case BinaryExpr() if str(node.op) == "or":
            return is_always_there(node.lhs) or is_always_there(node.rhs)
        case BinaryExpr() if str(node.op) == "unless":
            return is_always_there(node.lhs)
        case BinaryExpr():
            return is_always_there(node.lhs) and is_always_there(node.rhs)
        case Call() if node.func.name not in _FROM_NOTHING:
            # The time, where there is no argument; numbers and texts are there too.
            return all(is_always_there(argument) for argument in node.args)
        case _:
            return True


@dataclass(frozen=True)
class Filter:
    """A part of a query that leaves series out by their values. ``text``: the operator or function."""

    text: str
    offset: int


def value_filter(query: Query) -> Filter | None:
    """Find what makes ``query`` empty while its series are there: ``foo > 0.5``, ``absent(foo)``.

    ``or`` with something that is not filtered fills the gap. A divisor may be kept from being zero: 0/0 is no value
    either.
    """
    places = iter(_places(query.text))
    return _filter(query.tree, places)


def _places(text: str) -> list[Filter]:
    """Return every comparison and every call of `absent`, in the order of the text."""
    found: list[Filter] = []
    inside: list[str] = []
    words = list(tokens(text))
    for token, after in zip(words, [*words[1:], None], strict=True):
        if token.kind == "open":
            inside.append(token.text)
        elif token.kind == "close":
            inside.pop()
        compares = token.text in _COMPARISONS and inside[-1:] != ["{"]
        calls = token.text in ABSENT and after is not None and after.text == "("
        if compares or calls:
            found.append(Filter(token.text, token.start))
    return found


def _filter(node: Expr, places: Iterator[Filter]) -> Filter | None:
    """Walk the whole of ``node`` in the order of its text, so that ``places`` keeps up."""
    if not isinstance(node, BinaryExpr):
        own = next(places) if isinstance(node, Call) and node.func.name in ABSENT else None
        inner = [_filter(child, places) for child in children(node)]
        return own or next((found for found in inner if found), None)
    left = _filter(node.lhs, places)
    sign = str(node.op)
    own = next(places) if sign in _COMPARISONS else None
    right = _filter(node.rhs, places)
    if sign == "or":
        return left if right else None
    if sign == "/" and _keeps_from_zero(node.rhs):
        right = None
    if own is not None and node.modifier is not None and node.modifier.return_bool:
        own = None
    return left or own or right


def _keeps_from_zero(node: Expr) -> bool:
    while isinstance(node, ParenExpr):
        node = node.expr
    return (
        isinstance(node, BinaryExpr)
        and str(node.op) in (">", "!=")
        and isinstance(node.rhs, NumberLiteral)
        and node.rhs.val == 0
    )
