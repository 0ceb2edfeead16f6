"""Whether a query has a result even where nothing is scraped."""

from __future__ import annotations

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)

_FROM_NOTHING = ("absent", "absent_over_time", "scalar", "vector")


def is_always_there(node: Expr) -> bool:
    """Whether ``node`` may give something while no series is there, as ``sum(errors) or vector(0)`` does."""
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
