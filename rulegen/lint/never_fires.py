"""An alert that no value of its gauge can raise."""

from __future__ import annotations

from collections.abc import Iterator

from mlslo.catalogue import Metric
from mlslo.monitor import Monitor
from rulegen.lint.finding import Finding, Location, Run
from rulegen.lint.holds import limit, may_hold
from rulegen.sli.gauge import entities
from rulegen.sli.metric_ranges import possible, words
from rulegen.slo.plan import SloPlan
from rulegen.spec.model_slo import THRESHOLDS, Condition, ModelSlo, Slo


def find(run: Run) -> Iterator[Finding]:
    for model in run.models:
        monitor = run.monitor(model.file.model)
        for index, planned in enumerate(model.slos):
            if planned.series is not None:
                at: Location = ("spec", "slos", index)
                for place, message in _of_slo(planned):
                    yield Finding(model.file.document, (*at, *place), message)
                yield from _too_few(model.file, planned.slo, planned.series.metric, at, monitor)


def _of_slo(planned: SloPlan) -> list[tuple[Location, str]]:
    """What can be told without the model's monitor: places within the SLO, each with why."""
    assert planned.series is not None
    slo, metric = planned.slo, planned.series.metric
    values = possible(metric)
    found: list[tuple[Location, str]] = []
    if slo.good is not None and (good := limit(slo.good)) is not None and good >= values:
        key = next(key for key in THRESHOLDS if getattr(slo.good, key) is not None)
        message = f"every evaluation is good: {metric.name} is {words(values)}; the budget can never burn"
        found.append((("good", key), message))
    for position, alert in enumerate(slo.alerts):
        found += _impossible(alert.when, metric, ("alerts", position, "when"))
    return found


def _too_few(
    file: ModelSlo, slo: Slo, metric: Metric, at: Location, monitor: Monitor | None
) -> Iterator[Finding]:
    """More features must be bad than the monitor has."""
    known = _features(slo, metric, monitor)
    if known is None:
        return
    count, path = known
    for position, alert in enumerate(slo.alerts):
        series = alert.when.series
        if series is not None and series.atLeast is not None and series.atLeast > count:
            message = f"it can never fire: {path} has {count} features, {series.atLeast} of them must be bad"
            yield Finding(file.document, (*at, "alerts", position, "when", "series", "atLeast"), message)


def _impossible(condition: Condition, metric: Metric, at: Location) -> Iterator[tuple[Location, str]]:
    """The innermost conditions that cannot hold, each with why."""
    values = possible(metric)
    inner = [
        found
        for key in ("all", "any")
        for index, child in enumerate(getattr(condition, key) or ())
        for found in _impossible(child, metric, (*at, key, index))
    ]
    if inner:
        yield from inner
    elif not may_hold(condition, values):
        if condition.all:
            yield (*at, "all"), "it can never fire: these conditions contradict each other"
            return
        key = next(key for key in type(condition).model_fields if getattr(condition, key) is not None)
        yield (*at, key), f"it can never fire: {metric.name} is {words(values)}"


def _features(slo: Slo, metric: Metric, monitor: Monitor | None) -> tuple[int, str] | None:
    """How many features there are, where a monitor lists them, and its file's name."""
    gauge = slo.sli.gauge
    if monitor is None or gauge is None or entities(metric, gauge) != ("feature",):
        return None
    listed = monitor.spec.predictions.fields.features
    if not isinstance(listed, list) or any(
        feature.type in ("text", "timestamp", "embedding") for feature in monitor.spec.features.values()
    ):
        return None
    return len(listed), monitor.path.name
