"""Checks of an SLO against the ModelMonitor file that measures it."""

from collections.abc import Iterator, Sequence

from mlslo.catalogue import METRICS, Metric
from mlslo.monitor import DEFAULT_LATENCY_BUCKETS, Monitor, scope_name
from mlslo.monitor.measurable import SEQUENTIAL, VIEWS, lacking, lacks_sequence, unfit
from mlslo.yamlfile import Duration, Location, Problem, did_you_mean, quoted_list
from rulegen.conditions.beyond_noise import error_of
from rulegen.sli.gauge import Gauge
from rulegen.spec.launch import Launch
from rulegen.spec.model_slo import ModelSlo, Slo
from rulegen.validation import companion_checks, exported_checks

_AVERAGES = {
    "multiclass": ["macro", "weighted"],
    "multilabel": ["micro", "macro", "weighted", "samples"],
}
_DEFAULT_BUCKETS = [Duration(text) for text in DEFAULT_LATENCY_BUCKETS]


def bucket_problem(below: Duration, monitor: Monitor | None) -> str | None:
    """Why a latency objective cannot be measured, if it can't."""
    buckets = monitor.spec.latencyBuckets if monitor is not None else _DEFAULT_BUCKETS
    if any(bucket.seconds == below.seconds for bucket in buckets):
        return None
    nearest = min(buckets, key=lambda bucket: abs(bucket.seconds - below.seconds))
    whose = f"{monitor.path.name} has" if monitor else "the default latencyBuckets are"
    return f"{below} is no bucket of the latency histogram, {whose} {quoted_list(buckets)}; the nearest is {nearest}"


def against_monitor(file: ModelSlo, watched: Sequence[Monitor]) -> Iterator[Problem]:
    """Problems of one file, given the monitors of the run."""
    monitor = next((monitor for monitor in watched if monitor.model == file.model), None)
    if monitor is None:
        names = [monitor.model for monitor in watched]
        message = f"no ModelMonitor file is about model '{file.model}', there is one for {quoted_list(names)}"
        yield file.document.problem(("spec", "model"), message + did_you_mean(file.model, names))
        return
    yield from companion_checks.against_monitor(file, monitor)
    yield from exported_checks.against_monitor(file, monitor)
    if file.spec.launch is not None:
        for where, message in _launch(file.spec.launch, monitor):
            yield file.document.problem(("spec", "launch", *where), message)
    for at, slo in file.slos:
        yield from _events(file, monitor, slo, (*at, "sli"))
        gauge = slo.sli.gauge
        if gauge is not None and gauge.metric in METRICS:
            for where, message in _gauge(monitor, gauge, METRICS[gauge.metric]):
                yield file.document.problem((*at, "sli", "gauge", *where), message)
            for where, message in _errors(monitor, slo, METRICS[gauge.metric]):
                yield file.document.problem((*at, *where), message)


def _launch(launch: Launch, monitor: Monitor) -> Iterator[tuple[Location, str]]:
    """Yield where the monitor file does not measure what a launch is decided by."""
    spec, name = monitor.spec, monitor.path.name
    if lacks_sequence(launch.statistic, spec):
        known = [statistic for statistic in SEQUENTIAL if not lacks_sequence(statistic, spec)]
        what = f"one of {quoted_list(known)}" if known else "labels, or a status"
        yield ("statistic",), f"{name} does not measure {launch.statistic}, expected {what}"
    compared = spec.comparison
    if compared is None:
        return
    for key, newest in (("baseline", "previous"), ("candidate", "newest")):
        version, own = getattr(launch, key), getattr(compared, key)
        if own not in (version, newest):
            yield (key,), f"{name} compares with {key} '{own}', expected '{version}' or {newest} there"
    if compared.sequential is not None and compared.sequential.tunedAt != launch.rows:
        there = f"{name} has comparison.sequential.tunedAt {compared.sequential.tunedAt}"
        yield ("after",), f"{there}: the bounds are there from then on; expected the same number"


def _events(file: ModelSlo, monitor: Monitor, slo: Slo, at: Location) -> Iterator[Problem]:
    fields, name = monitor.spec.predictions.fields, monitor.path.name
    if slo.sli.errors is not None and not monitor.spec.predictions.tells_errors:
        message = f"{name} reads no status: no prediction will ever count as an error"
        yield file.document.problem((*at, "errors"), message)
    latency = slo.sli.latency
    if latency is not None and latency.metric is None and fields.latency is None:
        yield file.document.problem((*at, "latency"), f"{name} reads no latency")


def _gauge(monitor: Monitor, gauge: Gauge, metric: Metric) -> Iterator[tuple[Location, str]]:
    """Yield the place within the gauge, and the message, of each problem."""
    spec, name = monitor.spec, monitor.path.name
    if gauge.window is not None and "window" in metric.labels and gauge.window not in spec.windows:
        yield ("window",), _no_window(monitor, gauge.window)
    for where, value, valid, what, under in _names(monitor, gauge):
        if value not in valid:
            listed = f"expected one of {quoted_list(valid)}" if valid else f"{under} is empty"
            yield where, f"{name} has no {what} '{value}', {listed}{did_you_mean(value, valid)}"
    if gauge.reference in spec.references and "reference" in metric.labels:
        assert gauge.reference is not None
        if message := unfit(metric, gauge.reference, spec.references):
            yield ("reference",), message
    yield from _averages(monitor, gauge, metric)
    if metric.name.startswith("ml_feature_age_"):
        made, feature = [*spec.featureTimestamps], gauge.labels.get("feature", "")
        if feature and made and feature not in made:
            message = f"{name} has no '{feature}' in featureTimestamps, expected one of {quoted_list(made)}"
            yield ("labels", "feature"), message + did_you_mean(feature, made)
    elif "feature" in gauge.labels and (message := _no_feature(monitor, gauge.labels["feature"])):
        yield ("labels", "feature"), message
    if message := lacking(metric, spec, name):
        yield ("metric",), message


def _errors(monitor: Monitor, slo: Slo, metric: Metric) -> Iterator[tuple[Location, str]]:
    """Yield where a standard error is asked for that is not measured, though the gauge is."""
    error = error_of(metric)
    if error is None or lacking(metric, monitor.spec, monitor.path.name):
        return
    for index, alert in enumerate(slo.alerts):
        for where, leaf in alert.when.leaves(("alerts", index, "when")):
            if leaf.beyondNoise and (message := lacking(error, monitor.spec, monitor.path.name)):
                yield (*where, "beyondNoise"), message


def _averages(monitor: Monitor, gauge: Gauge, metric: Metric) -> Iterator[tuple[Location, str]]:
    """Yield where an average, or a class of its own, is asked for that nobody measures."""
    task, labels = monitor.spec.task, gauge.labels
    own = f"{monitor.path.name} has task {task}: its '{metric.name}' has no"
    if "average" in labels and task not in _AVERAGES:
        yield ("labels", "average"), f"{own} average"
    if labels.get("average") == "samples" and metric.name.startswith("ml_model_auc_"):
        yield ("labels", "average"), f"{own} average 'samples', expected one of micro, macro, weighted"
    if "class" not in labels or "average" not in metric.labels:
        return
    if task != "multilabel":
        yield ("labels", "class"), f"{own} series of single classes"
    elif labels.get("average"):
        yield ("labels", "average"), f"{own} average of a single class; name one of them"
    elif labels.get("segment"):
        yield ("labels", "segment"), f"{own} series of single classes in segments, only of all traffic"


def _names(monitor: Monitor, gauge: Gauge) -> Iterator[tuple[Location, str, list[str], str, str]]:
    """Yield each name that the monitor file must have: its place, itself, the valid ones, what it is, their key."""
    spec, labels = monitor.spec, gauge.labels
    if gauge.reference is not None:
        yield ("reference",), gauge.reference, [*spec.references], "reference", "references"
    attributes = spec.fairness.attributes if spec.fairness else []
    known: dict[str, tuple[list[str], str, str]] = {
        "segment": ([*map(scope_name, spec.segments)], "segment", "segments"),
        "attribute": ([*map(scope_name, attributes)], "attribute", "fairness.attributes"),
        "k": ([*map(str, spec.predictions.cutoffs)], "cutoff", "cutoffs"),
    }
    if averages := _AVERAGES.get(spec.task):
        known["average"] = (averages, "average", "averages")
    if classes := _classes(monitor):
        known |= dict.fromkeys(("class", "actual", "predicted"), (classes, "class", "classes"))
    for label, (valid, what, under) in known.items():
        if label in labels:
            yield ("labels", label), labels[label], valid, what, under


def _classes(monitor: Monitor) -> list[str]:
    """Names of the classes; none where only a reference has them."""
    predictions = monitor.spec.predictions
    if monitor.spec.task == "binary":
        return ["other", predictions.positiveClass] if predictions.positiveClass else ["0", "1"]
    return predictions.classes or []


def _no_feature(monitor: Monitor, name: str) -> str | None:
    features = monitor.spec.predictions.fields.feature_names
    declared = [*monitor.spec.features, *(features or ())]
    for feature, known in monitor.spec.features.items():
        declared += [f"{feature}.{view}" for view in VIEWS.get(known.type, ())]
    near = did_you_mean(name, declared)
    # Features of an object of features may be named by the reference only: then just a near miss is one.
    if name in declared or not (features is not None or near):
        return None
    listed = f"expected one of {quoted_list(declared)}" if declared else "it names none"
    return f"{monitor.path.name} has no feature '{name}', {listed}{near}"


def _no_window(monitor: Monitor, window: Duration) -> str:
    windows = monitor.spec.windows
    nearest = min(windows, key=lambda own: abs(own.seconds - window.seconds))
    hint = "write it the same way: " if nearest.seconds == window.seconds else "the nearest is "
    return f"{monitor.path.name} has no window '{window}', expected one of {quoted_list(windows)}; {hint}{nearest}"
