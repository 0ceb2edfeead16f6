"""Syntax that the parser takes and some Prometheus of the target does not, or only behind a flag."""

from promql_parser import AggregateExpr, BinaryExpr, Call, Expr, VectorSelector

from rulegen.promql.query.mistakes import (
    EXPERIMENTAL,
    EXPERIMENTAL_AGGREGATIONS,
    GONE,
    NEWER,
    place_of,
    tokens,
)
from rulegen.promql.query.parse import Query, QueryError, children
from rulegen.promql.versions import DURATIONS_ARE_NUMBERS, QUOTED_NAMES, Gate, at_least

# Behind flags before.
_AT = Gate("'@'", "Prometheus", "2.33")
_NEGATIVE_OFFSET = Gate("a negative offset", "Prometheus", "2.33")
# `by` and its like: words before the names of labels in parentheses.
_BEFORE_LABELS = ("by", "without", "on", "ignoring", "group_left", "group_right")


def refuse_unsupported(query: Query, oldest: str, newest: str) -> None:
    """Raises QueryError where ``query`` has what a Prometheus from ``oldest`` to ``newest`` does not load."""
    before = None
    inside: list[str] = []
    for token in tokens(query.text):
        if token.kind == "open":
            inside.append("names" if token.text == "(" and before in _BEFORE_LABELS else token.text)
        elif token.kind == "close":
            inside.pop()
        elif DURATIONS_ARE_NUMBERS.open(oldest):
            pass
        elif token.kind == "number" and inside[-1:] == ["["]:
            raise QueryError(f"expected a duration such as 5m, got '{token.text}'", token.start)
        elif token.kind == "duration" and inside[-1:] != ["["] and before not in ("offset", "-"):
            raise QueryError(f"a duration such as {token.text} is no number, write its seconds", token.start)
        gate = {"@": _AT, "-": _NEGATIVE_OFFSET if before == "offset" else None}.get(token.text)
        if token.kind == "string" and inside and inside[-1] in ("{", "names") and before in ("{", ",", "("):
            gate = QUOTED_NAMES
        if gate is not None and (refusal := gate.refusal(oldest)):
            raise QueryError(refusal, token.start)
        before = token.text
    _refuse_functions(query.text, query.tree, oldest, newest)


def _refuse_functions(text: str, node: Expr, oldest: str, newest: str) -> None:
    if isinstance(node, VectorSelector) and node.matchers.or_matchers:
        raise QueryError("expected ',' between matchers, got 'or'", place_of(text, "or"))
    if isinstance(node, AggregateExpr) and str(node.op) in EXPERIMENTAL_AGGREGATIONS:
        raise _experimental(text, str(node.op))
    if isinstance(node, BinaryExpr) and node.modifier is not None:
        filled = node.modifier.fill_values
        if filled.lhs is not None or filled.rhs is not None:
            raise _experimental(text, "fill")
    if isinstance(node, Call):
        name = node.func.name
        if name in EXPERIMENTAL:
            raise _experimental(text, name)
        if name in NEWER and (refusal := Gate(f"'{name}'", "Prometheus", NEWER[name]).refusal(oldest)):
            raise QueryError(refusal, place_of(text, name, "("))
        if name in GONE and at_least(newest, GONE[name]):
            message = f"'{name}' is gone since Prometheus {GONE[name]}, target.prometheus goes to {newest}"
            raise QueryError(message, place_of(text, name, "("))
    for child in children(node):
        _refuse_functions(text, child, oldest, newest)


def _experimental(text: str, name: str) -> QueryError:
    message = f"'{name}' is experimental: rules with it load only where a feature flag of Prometheus is set"
    return QueryError(message, place_of(text, name))
