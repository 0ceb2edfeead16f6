"""Checks that the monitor file exports what an SLO, or a companion alert, reads."""

from collections.abc import Iterator

from mlslo.catalogue import METRICS, Metric
from mlslo.monitor import Monitor, scope_name
from mlslo.yamlfile import Location, Problem
from rulegen.conditions.beyond_noise import error_of
from rulegen.conditions.reference import counterpart
from rulegen.slo.companions.dependencies import measured, rests_on_labels
from rulegen.spec.model_slo import ModelSlo, Slo

# What the error budgets of events are counted from.
_ERRORS = ("ml_predictions_total", "ml_prediction_errors_total")
_LATENCY = ("ml_prediction_latency_seconds",)
_UNMONITORED = ("ml_feature_missing_ratio", "ml_predictions_total")
_WATERMARK = "ml_label_watermark_timestamp_seconds"


def against_monitor(file: ModelSlo, monitor: Monitor) -> Iterator[Problem]:
    """Problems of one file: what it reads, and its monitor leaves out."""
    for at, slo in file.slos:
        for where, name, segmented in _read(slo, monitor):
            if (message := not_exported(monitor, METRICS[name], segmented=segmented)) is not None:
                yield file.document.problem((*at, *where), message)
    companions = file.spec.companions
    if companions is not None and companions.labelsStale is not None:
        yield from _companion(file, monitor, ("spec", "companions", "labelsStale"), _WATERMARK)
    if companions is not None and companions.unmonitored is not None:
        for name in _UNMONITORED:
            yield from _companion(file, monitor, ("spec", "companions", "unmonitored"), name)
    for at, slo in file.slos:
        if slo.labelsStale is not None and not slo.labelsStale.is_off and rests_on_labels(slo):
            yield from _companion(file, monitor, (*at, "labelsStale"), _WATERMARK)


def _companion(file: ModelSlo, monitor: Monitor, at: Location, name: str) -> Iterator[Problem]:
    if (message := not_exported(monitor, METRICS[name], segmented=False)) is not None:
        yield file.document.problem(at, message, key=True)


def _read(slo: Slo, monitor: Monitor) -> Iterator[tuple[Location, str, bool]]:
    """Yield where an SLO names what it reads, the metric, and whether it is that of segments."""
    gauge = slo.sli.gauge
    if gauge is not None and gauge.metric in METRICS:
        segment = gauge.labels.get("segment", "")
        # A segment that the monitor does not have is a mistake of its own.
        if segment in ("", *map(scope_name, monitor.spec.segments)):
            names = [gauge.metric]
            compared = any(alert.when.compares_with_reference for alert in slo.alerts)
            if compared and (reference := counterpart(METRICS[gauge.metric])) is not None:
                names.append(reference.name)
            yield from ((("sli", "gauge", "metric"), name, bool(segment)) for name in names)
            for index, alert in enumerate(slo.alerts):
                for where, leaf in alert.when.leaves(("alerts", index, "when")):
                    if leaf.beyondNoise and (error := error_of(METRICS[gauge.metric])) is not None:
                        yield (*where, "beyondNoise"), error.name, bool(segment)
    if slo.sli.errors is not None:
        for name in _ERRORS:
            yield ("sli", "errors"), name, False
    if slo.sli.latency is not None and slo.sli.latency.metric is None:
        for name in _LATENCY:
            yield ("sli", "latency"), name, False
    if slo.sli.promql is not None:
        # Which series of it the query selects is its own business.
        for metric in measured(slo):
            yield ("sli", "promql", "query"), metric.name, False


def not_exported(monitor: Monitor, metric: Metric, *, segmented: bool) -> str | None:
    """Why the monitor does not export ``metric``, and which key to change; None where it does."""
    if segmented and "segment" not in metric.labels:
        return None
    chosen, file = monitor.spec.metrics, monitor.path.name
    sure = chosen.exported(detail=False)
    if metric.name in (sure.segments if segmented else sure.traffic):
        return None
    if metric.name not in chosen.exported(detail=True).traffic:
        return f"{file} leaves '{metric.name}' out: take it from spec.metrics.exclude, or include it there by name"
    if segmented and chosen.left_out_of_segments(metric):
        return f"{file} leaves '{metric.name}' of segments out: take it from spec.metrics.segments.exclude"
    if segmented:
        key = (
            "spec.metrics.segments" if isinstance(chosen.segments, list) else "spec.metrics.segments.include"
        )
        return f"{file} does not export '{metric.name}' of segments: add it to {key}"
    return (
        f"{file} exports '{metric.name}' by default only where the model has few series: "
        "add it to spec.metrics.include"
    )
