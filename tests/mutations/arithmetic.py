"""Numbers that no calculation with floats gives: changes without effect."""

from __future__ import annotations

import math
from typing import Any

import promql_parser as promql


def never_equal(node: Any) -> str | None:
    """Why the two sides of a comparison are never equal: no float times a factor is the other number."""
    product, limit = _bare(node.lhs), _bare(node.rhs)
    if not (isinstance(limit, promql.NumberLiteral) and isinstance(product, promql.BinaryExpr)):
        return None
    factor = _bare(product.rhs)
    if str(product.op) != "*" or not isinstance(factor, promql.NumberLiteral) or not factor.val:
        return None
    return None if _reached(factor.val, limit.val) else f"no float times {factor.val:g} is {limit.val:g}"


def _reached(factor: float, limit: float) -> bool:
    """Products only grow with what is multiplied, so that those beside the quotient are all there are."""
    quotient = limit / factor
    least = math.nextafter(math.nextafter(quotient, -math.inf), -math.inf)
    return any(one * factor == limit for one in _next(least, 5))


def _next(first: float, count: int) -> list[float]:
    found = [first]
    while len(found) < count:
        found.append(math.nextafter(found[-1], math.inf))
    return found


def _bare(node: Any) -> Any:
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    return node
