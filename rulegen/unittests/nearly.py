"""Values that rest on many samples, compared as closely as counters can be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rulegen.promql.expressions import exact, number, selector

_TOLERANCE = 0.04
# Of what is calculated from gauges.
CLOSE = 0.000001


def near(
    expression: str,
    expected: Decimal,
    labels: dict[str, str],
    when: str,
    tolerance: float = _TOLERANCE,
) -> dict[str, Any]:
    """The expression has the labels and, within ``tolerance`` of it, the value."""
    name = "" if not labels else selector("", labels)
    ratio = f"abs({expression} / {number(digits(expected))} - 1)"
    sample = {"labels": name, "value": 1}
    return {"expr": f"{ratio} < bool {number(tolerance)}", "eval_time": when, "exp_samples": [sample]}


def digits(value: Decimal) -> Decimal:
    return exact(float(f"{float(value):.9g}"))
