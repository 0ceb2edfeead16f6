"""Tests of what is left of an error budget over its whole time window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from exporter.yamlfile import Duration
from rulegen.budget import Budget
from rulegen.conventions import BUDGET_REMAINING_RECORD, MODEL, SLO, errors_record, events_record
from rulegen.promql import selector
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
    inside = math.ceil(edge) - 1
    older = round(_OLDER_PART * inside)
    before = end - math.floor(edge)
    share = budget.share
    parts = [
        (before, Decimal(900), Decimal(1000)),
        (older, 3 * share * 2500, Decimal(2500)),
        (inside + 1 - older, share / 2 * 1000, Decimal(1000)),
    ]
    ratio = sum(many * bad for many, bad, _ in parts[1:]) / sum(many * total for many, _, total in parts[1:])
    labels = {MODEL: budget.model, SLO: budget.slo}
    source = budget.sli.summed(budget.windows[0])
    given = []
    for name, place in ((errors_record(source), 1), (events_record(source), 2)):
        samples: list[Sample | Missed] = []
        for index, part in enumerate(parts):
            samples += [MISSED] * (end + 1 - sum(one[0] for one in parts)) if index == 1 else []
            value = part[place]
            assert isinstance(value, Decimal)
            samples += [value] * part[0]
        given.append(InputSeries(name, labels, samples))
    # What another SLO, and another model, have recorded under that name does not count.
    for change in ({SLO: f"{budget.slo}-other"}, {MODEL: f"{budget.model}-other"}):
        other = [*[MISSED] * end, Decimal("0.75")]
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
