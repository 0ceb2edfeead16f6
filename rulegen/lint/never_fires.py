"""An alert that no value of its gauge can raise."""

from __future__ import annotations

from collections.abc import Iterator

from mlslo.catalogue import Metric
from mlslo.monitor import Monitor
from rulegen.conditions import Condition
from rulegen.lint.finding import Finding, Location, Run
from rulegen.lint.holds import may_hold
from rulegen.sli.gauge import entities
from rulegen.sli.metric_ranges import possible, words
from rulegen.spec.model_slo import ModelSlo, Slo


def find(run: Run) -> Iterator[Finding]:
    for model in run.models:
        document, monitor = model.file.document, run.monitor(model.file.model)
        for index, planned in enumerate(model.slos):
            if planned.series is None:
                continue
            at: Location = ("spec", "slos", index)
            slo, metric = planned.slo, planned.series.metric
            values = possible(metric)
            if slo.good is not None and slo.good.values is not None and slo.good.values >= values:
                message = (
                    f"every evaluation is good: {metric.name} is {words(values)}; the budget can never burn"
                )
                yield Finding(document, (*at, "good", slo.good.key), message)
            for position, alert in enumerate(slo.alerts):
                for place, message in _impossible(alert.when, metric, (*at, "alerts", position, "when")):
                    yield Finding(document, place, message)
            yield from _too_few(model.file, slo, metric, at, monitor)


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
    inner = [found for place, child in condition.parts(at) for found in _impossible(child, metric, place)]
    if inner:
        yield from inner
    elif not may_hold(condition, values):
        why = (
            "these conditions contradict each other" if condition.all else f"{metric.name} is {words(values)}"
        )
        yield (*at, condition.key), f"it can never fire: {why}"


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
