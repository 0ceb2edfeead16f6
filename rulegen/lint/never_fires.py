"""An alert that no value of its gauge can raise."""

from collections.abc import Iterator

from mlslo.catalogue import Metric
from mlslo.monitor import Monitor
from mlslo.monitor.measurable import VIEWS
from mlslo.yamlfile import Location
from rulegen.conditions import Condition
from rulegen.lint.finding import Finding, Run
from rulegen.lint.holds import may_hold, must_hold
from rulegen.sli.gauge import entities
from rulegen.sli.metric_ranges import possible
from rulegen.spec.model_slo import Slo


def find(run: Run) -> Iterator[Finding]:
    for model in run.models:
        document, monitor = model.file.document, run.monitor(model.file.model)
        for index, planned in enumerate(model.slos):
            if planned.series is None:
                continue
            at: Location = ("spec", "slos", index)
            slo, metric = planned.slo, planned.series.metric
            values = possible(metric)
            if slo.good is not None and must_hold(slo.good, values):
                message = f"every evaluation is good: {metric.name} is {values}; the budget can never burn"
                yield Finding(document, (*at, "good", slo.good.key), message)
            count, path = _features(slo, metric, monitor)
            for place, alert in slo.placed_alerts(at):
                for where, message in _impossible(alert.when, metric, (*place, "when")):
                    yield Finding(document, where, message)
                least = alert.when.series.atLeast if alert.when.series else None
                if count is not None and least is not None and least > count:
                    message = f"it can never fire: {path} has {count} features, {least} of them must be bad"
                    yield Finding(document, (*place, "when", "series", "atLeast"), message)


def _impossible(condition: Condition, metric: Metric, at: Location) -> Iterator[tuple[Location, str]]:
    """The innermost conditions that cannot hold, each with why."""
    values = possible(metric)
    inner = [found for place, child in condition.parts(at) for found in _impossible(child, metric, place)]
    if inner:
        yield from inner
    elif not may_hold(condition, values):
        why = "these conditions contradict each other" if condition.all else f"{metric.name} is {values}"
        yield (*at, condition.key), f"it can never fire: {why}"


def _features(slo: Slo, metric: Metric, monitor: Monitor | None) -> tuple[int | None, str]:
    """Return the number of features, where a monitor lists them, and the name of its file."""
    gauge = slo.sli.gauge
    if monitor is None or gauge is None or entities(metric, gauge) != ("feature",):
        return None, ""
    listed = monitor.spec.predictions.fields.feature_names
    viewed = any(feature.type in VIEWS for feature in monitor.spec.features.values())
    return (len(listed) if listed is not None and not viewed else None), monitor.path.name
