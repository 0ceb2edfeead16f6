"""An alert that every value of its gauge raises."""

from __future__ import annotations

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Location, Run
from rulegen.lint.holds import limit, must_hold
from rulegen.sli.metric_ranges import possible, words
from rulegen.slo.plan import SloPlan
from rulegen.spec.model_slo import THRESHOLDS


def find(run: Run) -> Iterator[Finding]:
    for model in run.models:
        for index, planned in enumerate(model.slos):
            for place, message in _of_slo(planned):
                yield Finding(model.file.document, ("spec", "slos", index, *place), message)


def _of_slo(planned: SloPlan) -> list[tuple[Location, str]]:
    """Places within the SLO, each with what is wrong."""
    if planned.series is None:
        return []
    slo, metric = planned.slo, planned.series.metric
    values = possible(metric)
    found: list[tuple[Location, str]] = [
        (("alerts", position, "when"), f"it always fires: {metric.name} is {words(values)}")
        for position, alert in enumerate(slo.alerts)
        if must_hold(alert.when, values) >= values
    ]
    good = limit(slo.good) if slo.good is not None else None
    if slo.good is not None and good is not None and not good & values:
        key = next(key for key in THRESHOLDS if getattr(slo.good, key) is not None)
        message = f"no evaluation is ever good: {metric.name} is {words(values)}; the budget always burns"
        found.append((("good", key), message))
    return found
