"""What a mutant has in the place of an operator, an aggregation or a function."""

from __future__ import annotations

# Each pair differs in the threshold itself only.
WITH_EQUAL = ({">", ">="}, {"<", "<="})
OPERATORS = {
    ">": (">=", "<"), ">=": (">", "<"), "<": ("<=", ">"), "<=": ("<", ">"), "==": ("!=",), "!=": ("==",),
    "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("/",), "^": ("*",),
    "and": ("or", "unless"), "or": ("and", "unless"), "unless": ("and", "or"),
}  # fmt: skip
AGGREGATIONS = {
    "sum": ("avg", "max"), "avg": ("sum", "max"), "max": ("min", "avg"), "min": ("max", "avg"),
    "count": ("sum",), "group": ("count",), "topk": ("bottomk",), "bottomk": ("topk",),
    "stddev": ("stdvar",), "stdvar": ("stddev",), "quantile": (), "count_values": (),
}  # fmt: skip
FUNCTIONS = {
    "rate": ("increase", "irate"), "increase": ("rate",), "irate": ("rate",),
    "sum_over_time": ("avg_over_time", "count_over_time"), "avg_over_time": ("max_over_time", "min_over_time"),
    "count_over_time": ("sum_over_time",), "max_over_time": ("min_over_time",), "min_over_time": ("max_over_time",),
    "stddev_over_time": ("stdvar_over_time",), "stdvar_over_time": ("stddev_over_time",),
    "last_over_time": ("max_over_time",), "quantile_over_time": (), "present_over_time": ("count_over_time",),
    "clamp_min": ("clamp_max",), "clamp_max": ("clamp_min",), "deriv": ("delta",), "delta": ("deriv",),
    "absent_over_time": ("count_over_time",),
}  # fmt: skip
