"""A query, parsed; what is wrong with it, and where.

The parser follows Prometheus' grammar, https://github.com/messense/py-promql-parser
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import promql_parser
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    Function,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    ValueType,
    VectorSelector,
)

from rulegen.promql.query.mistakes import explain

Type = Literal["scalar", "vector", "matrix", "string"]


class QueryError(ValueError):
    """A mistake in a query. ``offset``: of the character that it is about."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True)
class Query:
    """An instant vector. ``text`` is as the user wrote it."""

    text: str
    tree: Expr

    @property
    def selectors(self) -> list[VectorSelector]:
        """Every selection in it, in the order of the text."""
        return _selectors(self.tree)

    @property
    def metrics(self) -> set[str]:
        """The names of the metrics that it selects, where they are given as such."""
        return {selector.name for selector in self.selectors if selector.name}


# Prometheus 2 has it, the parser knows version 3 only.
promql_parser.register_extra_functions(
    [Function("holt_winters", [ValueType.Matrix, ValueType.Scalar, ValueType.Scalar], ValueType.Vector)]
)


def parse(text: str) -> Query:
    """The query in ``text``. Raises QueryError where it is none, or is no instant vector."""
    if "{{" in text:
        raise QueryError("expected no template", text.index("{{"))
    try:
        tree = promql_parser.parse(text)
    except ValueError as error:
        raise QueryError(*explain(text, str(error), promql_parser.parse)) from None
    found = type_of(tree)
    if found != "vector":
        raise QueryError(f"expected an instant vector, got {_SAID[found]}")
    return Query(text, tree)


def children(node: Expr) -> Sequence[Expr]:
    """The expressions that ``node`` is made of, in the order of the text."""
    match node:
        case AggregateExpr():
            return [node.param, node.expr] if isinstance(node.param, Expr) else [node.expr]
        case BinaryExpr():
            return [node.lhs, node.rhs]
        case Call():
            return node.args
        case MatrixSelector():
            return [node.vector_selector]
        case ParenExpr() | UnaryExpr() | SubqueryExpr():
            return [node.expr]
        case _:
            return []


def _selectors(node: Expr) -> list[VectorSelector]:
    if isinstance(node, VectorSelector):
        return [node]
    return [found for child in children(node) for found in _selectors(child)]


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
    """Return the type of the value of ``node``."""
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
