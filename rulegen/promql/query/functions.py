"""PromQL's functions, and which Prometheus is the first to have them.

https://prometheus.io/docs/prometheus/latest/querying/functions/ and the project's CHANGELOG
"""

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
