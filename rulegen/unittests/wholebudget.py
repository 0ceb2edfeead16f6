"""Tests of what is left of an error budget over its whole time window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import BUDGET_REMAINING_RECORD, MODEL, SLO, errors_record, events_record
from rulegen.promql.expressions import selector
from rulegen.slo.budget import Budget
from rulegen.unittests.eventstory import part_of
from rulegen.unittests.nearly import near
from rulegen.unittests.timeline import MISSED, InputSeries, Missed, Sample, at

# Samples in the time window, or some more; and how much of it is its older part.
_SAMPLES, _OLDER_PART = 40, 0.3


def tests(budget: Budget, step: Duration) -> Iterator[dict[str, Any]]:
    """The records that are summed are given: their making is tested apart. Rules are evaluated every ``step``.

    None where the time window is one of the windows, and is tested with them.
    """
    if budget.whole in budget.windows:
        return
    length = budget.whole.seconds
    every = part_of(step, length / _SAMPLES)
    end = math.ceil((1 + _OLDER_PART) * length / step.seconds) * round(step.seconds / every.seconds)
    # Nothing is recorded where the time window begins: versions of Prometheus differ in whether that belongs to it.
    edge = length / every.seconds
    inside = math.ceil(edge)
    older = round(_OLDER_PART * inside)
    before = end - math.floor(edge)

    def recorded(first: Decimal, second: Decimal, third: Decimal) -> tuple[list[Sample | Missed], Decimal]:
        """Before the time window, in its older part, in the rest of it; and the sum over the time window."""
        none = end + 1 - before - inside
        samples: list[Sample | Missed] = [
            *[first] * before,
            *[MISSED] * none,
            *[second] * older,
            *[third] * (inside - older),
        ]
        return samples, older * second + (inside - older) * third

    share, source = budget.share, budget.sli.summed(budget.windows[0])
    errors, bad = recorded(Decimal(900), 3 * share * 2500, share / 2 * 1000)
    events, all_events = recorded(Decimal(1000), Decimal(2500), Decimal(1000))
    ratio = bad / all_events
    labels = {MODEL: budget.model, SLO: budget.slo}
    given = [
        InputSeries(errors_record(source), labels, errors),
        InputSeries(events_record(source), labels, events),
    ]
    # What another SLO, and another model, have recorded under that name does not count.
    for change in ({SLO: f"{budget.slo}-other"}, {MODEL: f"{budget.model}-other"}):
        other: list[Sample | Missed] = [*[MISSED] * end, Decimal("0.75")]
        given.append(InputSeries(budget.ratio(budget.whole), {**labels, **change}, other))
    when = at(end, every)
    yield {
        "interval": str(every),
        "name": f"error budget of {budget.slo} over {budget.whole}",
        "input_series": [one.as_data() for one in given],
        "promql_expr_test": [
            near(budget.select(budget.ratio(budget.whole)), ratio, labels, when),
            near(selector(BUDGET_REMAINING_RECORD, {SLO: budget.slo}), 1 - ratio / share, labels, when),
        ],
    }
