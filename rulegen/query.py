"""PromQL that a user wrote: parsed when rules are generated, so that its mistakes show there.

The parser follows Prometheus' grammar, https://github.com/messense/py-promql-parser
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import promql_parser
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    ValueType,
    VectorSelector,
)

Type = Literal["scalar", "vector", "matrix", "string"]


class QueryError(ValueError):
    """A mistake in a query."""


@dataclass(frozen=True)
class Query:
    """An instant vector. ``text`` is as the user wrote it."""

    text: str
    tree: Expr

    @property
    def selectors(self) -> list[VectorSelector]:
        """Every selection in it, in the order of the text."""
        found: list[VectorSelector] = []

        def visit(node: Expr) -> None:
            if isinstance(node, VectorSelector):
                found.append(node)
            elif isinstance(node, MatrixSelector):
                found.append(node.vector_selector)

        promql_parser.walk(self.tree, visit)
        return found

    @property
    def metrics(self) -> set[str]:
        """The names of the metrics that it selects, where they are given as such."""
        return {selector.name for selector in self.selectors if selector.name}


def parse(text: str) -> Query:
    """The query in ``text``. Raises QueryError where it is none, or is no instant vector."""
    if "{{" in text:
        raise QueryError("expected no template")
    try:
        tree = promql_parser.parse(text)
    except ValueError as error:
        raise QueryError(f"not PromQL: {error}") from None
    found = type_of(tree)
    if found != "vector":
        raise QueryError(f"expected an instant vector, got {_SAID[found]}")
    return Query(text, tree)


_SAID = {
    "scalar": "a scalar, which has no labels; vector(...) makes a vector of it",
    "matrix": "a range vector; a function such as rate or avg_over_time makes a vector of it",
    "string": "a string",
}
# The parser's own are not hashable.
_TYPES: tuple[tuple[ValueType, Type], ...] = (
    (ValueType.Scalar, "scalar"),
    (ValueType.Vector, "vector"),
    (ValueType.Matrix, "matrix"),
    (ValueType.String, "string"),
)


def type_of(node: Expr) -> Type:
    """What evaluating ``node`` gives."""
    match node:
        case NumberLiteral():
            return "scalar"
        case StringLiteral():
            return "string"
        case MatrixSelector() | SubqueryExpr():
            return "matrix"
        case VectorSelector() | AggregateExpr():
            return "vector"
        case Call():
            return next(name for kind, name in _TYPES if kind == node.func.return_type)
        case ParenExpr() | UnaryExpr():
            return type_of(node.expr)
        case BinaryExpr():
            return "vector" if "vector" in (type_of(node.lhs), type_of(node.rhs)) else "scalar"
        case _:
            raise AssertionError(f"an expression of unknown kind {type(node).__name__}")
