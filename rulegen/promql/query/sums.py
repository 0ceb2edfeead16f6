"""Queries that add up how much counters grow."""

from __future__ import annotations

from promql_parser import AggregateExpr, BinaryExpr, Call, Expr, MatrixSelector, ParenExpr, VectorSelector

_COUNTED = ("rate", "increase")


def summed(node: Expr, *, alone: bool = True) -> list[VectorSelector] | None:
    """Return the selectors in a sum of rates, or None where it is something else.

    Of several terms each must be a sum without labels, or they would not be added up. Where one of them is missing,
    so is the sum.
    """
    match node:
        case ParenExpr():
            return summed(node.expr, alone=alone)
        case BinaryExpr() if str(node.op) == "+" and node.modifier is None:
            left, right = summed(node.lhs, alone=False), summed(node.rhs, alone=False)
            return None if left is None or right is None else [*left, *right]
        case AggregateExpr() if str(node.op) == "sum" and (alone or node.modifier is None):
            return summed(node.expr, alone=True)
        case Call() if node.func.name in _COUNTED and alone and isinstance(node.args[0], MatrixSelector):
            selector = node.args[0].vector_selector
            return None if selector.offset is not None or selector.at is not None else [selector]
        case _:
            return None
