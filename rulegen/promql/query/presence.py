"""Presence of a query's result: even where nothing is scraped, or not even where something is."""

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

from rulegen.promql.query.mistakes import place_of
from rulegen.promql.query.parse import Query, children

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


def value_filter(query: Query) -> tuple[str, int] | None:
    """Find what makes ``query`` empty while its series are there: ``foo > 0.5``, ``absent(foo)``.

    The operator or function, and its offset where it stands once. ``or`` with something that is not filtered fills
    the gap. A divisor may be kept from being zero: 0/0 is no value either.
    """
    found = _filter(query.tree)
    return None if found is None else (found, place_of(query.text, found))


def _filter(node: Expr) -> str | None:
    if not isinstance(node, BinaryExpr):
        if isinstance(node, Call) and node.func.name in ABSENT:
            return node.func.name
        return next(filter(None, map(_filter, children(node))), None)
    sign, left, right = str(node.op), _filter(node.lhs), _filter(node.rhs)
    if sign == "or":
        return left if right else None
    if sign == "/" and _keeps_from_zero(node.rhs):
        right = None
    as_bool = node.modifier is not None and node.modifier.return_bool
    return left or (sign if sign in _COMPARISONS and not as_bool else None) or right


def _keeps_from_zero(node: Expr) -> bool:
    while isinstance(node, ParenExpr):
        node = node.expr
    return (
        isinstance(node, BinaryExpr)
        and str(node.op) in (">", "!=")
        and isinstance(node.rhs, NumberLiteral)
        and node.rhs.val == 0
    )
