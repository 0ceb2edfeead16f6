"""The panels of an error budget: what is left of it, and how fast it burns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rulegen.dashboards.timeseries import target, timeseries
from rulegen.promql.conventions import BUDGET_REMAINING_RECORD, BURN_RATE_RECORD
from rulegen.slo.plan import SloPlan


def panels(slo: SloPlan) -> Iterator[dict[str, Any]]:
    """The panels of the budget of ``slo``, where it has one."""
    budget = slo.budget
    if budget is None:
        return
    title = f"{budget.slo}: error budget left of {budget.time_window}"
    left = target(budget.select(BUDGET_REMAINING_RECORD), "left")
    yield timeseries(title, [left], "percentunit", [(0.0, "below")])
    factors = [(float(pair.factor), "above") for pair in budget.pairs]
    burn = target(budget.select(BURN_RATE_RECORD), f"over {budget.pairs[0].long}")
    yield timeseries(f"{budget.slo}: burn rate", [burn], "none", factors)
