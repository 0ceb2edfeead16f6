"""A past that is deleted before it is looked at."""

from __future__ import annotations

from collections.abc import Iterator

from mlslo.yamlfile import Duration
from rulegen.conditions.drop import default_offset
from rulegen.lint.finding import Finding, Location, Run
from rulegen.slo.plan import pairs_of
from rulegen.spec.model_slo import Condition, Slo

Reach = tuple[Location, Duration, str]


def find(run: Run) -> Iterator[Finding]:
    kept = run.routing.spec.target.retention
    if kept is None:
        return
    for file in run.specs.models:
        for index, slo in enumerate(file.spec.slos):
            for location, reach, effect in _reaches(slo, ("spec", "slos", index)):
                if reach.seconds > kept.seconds:
                    message = f"it looks back {reach}, Prometheus keeps {kept} (target.retention): {effect}"
                    yield Finding(file.document, location, message)


def _reaches(slo: Slo, at: Location) -> Iterator[Reach]:
    """How far back the rules of an SLO look, from where, and what comes of less."""
    if slo.objective is not None and slo.timeWindow is not None:
        yield (*at, "timeWindow"), slo.timeWindow, "the budget that is left is that of a shorter time"
        own = slo.alerting is not None and slo.alerting.windows is not None
        for position, pair in enumerate(pairs_of(slo) if own else ()):
            where: Location = (*at, "alerting", "windows", position, "long")
            yield where, pair.long, "the burn rate is that of a shorter time"
    for position, alert in enumerate(slo.alerts):
        yield from _past(alert.when, (*at, "alerts", position, "when"))


def _past(condition: Condition, at: Location) -> Iterator[Reach]:
    for key in ("all", "any"):
        for index, child in enumerate(getattr(condition, key) or ()):
            yield from _past(child, (*at, key, index))
    if condition.changeFrom is not None:
        offset = condition.changeFrom.offset
        yield (*at, "changeFrom", "offset"), offset, "there is nothing to compare with, it never fires"
    drop = condition.dropFrom
    if drop is not None:
        ago = drop.offset or default_offset(drop.window)
        whole = Duration.of_seconds(drop.window.seconds + ago.seconds)
        yield (*at, "dropFrom", "window"), whole, "the mean is that of a shorter past"
    adaptive = condition.adaptive
    if adaptive is not None:
        ago = adaptive.offset or default_offset(adaptive.window)
        whole = Duration.of_seconds(adaptive.window.seconds + ago.seconds)
        yield (*at, "adaptive", "window"), whole, "mean and deviation are those of a shorter past"
    if condition.forecast is not None:
        based_on = condition.forecast.basedOn
        yield (*at, "forecast", "basedOn"), based_on, "the trend is that of a shorter past"
