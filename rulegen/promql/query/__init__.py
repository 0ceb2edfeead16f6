"""PromQL that a user wrote, read when rules are generated so that its mistakes show there."""

from rulegen.promql.query.labels import grouped_by, labels_of, loses
from rulegen.promql.query.parse import Query, QueryError, parse
from rulegen.promql.query.presence import ABSENT, is_always_there, value_filter
from rulegen.promql.query.supported import refuse_unsupported
from rulegen.promql.query.window import parse_windowed, per_window, summed, with_window

__all__ = [
    "ABSENT",
    "Query",
    "QueryError",
    "grouped_by",
    "is_always_there",
    "labels_of",
    "loses",
    "parse",
    "parse_windowed",
    "per_window",
    "refuse_unsupported",
    "summed",
    "value_filter",
    "with_window",
]
