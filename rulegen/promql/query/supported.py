"""Syntax that the parser takes and some Prometheus of the target does not, or only behind a flag."""

from promql_parser import AggregateExpr, BinaryExpr, Call, Expr, VectorSelector

from rulegen.promql.query.mistakes import place_of, tokens
from rulegen.promql.query.parse import Query, QueryError, children
from rulegen.promql.versions import DURATIONS_ARE_NUMBERS, QUOTED_NAMES, Gate, at_least

# Those that 2.31, the oldest version with all that the generator itself writes, does not have.
NEWER = {
    "day_of_year": "2.37",
    "histogram_avg": "2.51",
    "histogram_count": "2.40",
    "histogram_fraction": "2.40",
    "histogram_stddev": "2.46",
    "histogram_stdvar": "2.46",
    "histogram_sum": "2.40",
}
# These need --enable-feature=promql-experimental-functions, whatever the version.
EXPERIMENTAL = frozenset(
    {
        "double_exponential_smoothing", "first_over_time", "histogram_quantiles", "info", "mad_over_time",
        "max_of", "min_of",
        "sort_by_label", "sort_by_label_desc", "step", "range", "start", "end",
        "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time",
    }
)  # fmt: skip
EXPERIMENTAL_AGGREGATIONS = frozenset({"limitk", "limit_ratio"})
# Gone, since which version. `holt_winters` is `double_exponential_smoothing` since, which is experimental.
GONE = {"holt_winters": "3.0"}
_OLD = (
    "abs", "absent", "absent_over_time", "acos", "acosh", "asin", "asinh", "atan", "atanh", "avg_over_time",
    "ceil", "changes", "clamp", "clamp_max", "clamp_min", "cos", "cosh", "count_over_time", "day_of_month",
    "day_of_week", "days_in_month", "deg", "delta", "deriv", "exp", "floor", "histogram_quantile",
    "hour", "idelta", "increase", "irate", "label_join", "label_replace", "last_over_time", "ln", "log10", "log2",
    "max_over_time", "min_over_time", "minute", "month", "pi", "predict_linear", "present_over_time",
    "quantile_over_time", "rad", "rate", "resets", "round", "scalar", "sgn", "sin", "sinh", "sort", "sort_desc",
    "sqrt", "stddev_over_time", "stdvar_over_time", "sum_over_time", "tan", "tanh", "time", "timestamp", "vector",
    "year",
)  # fmt: skip
FUNCTIONS = frozenset({*_OLD, *NEWER, *GONE})
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
