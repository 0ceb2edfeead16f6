"""Whether what an SLO names exists in the ModelMonitor file that measures it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mlslo.catalogue import METRICS, Metric
from mlslo.monitor import DEFAULT_LATENCY_BUCKETS, Monitor, scope_name
from mlslo.yamlfile import Duration, Problem, did_you_mean, quoted_list
from rulegen.sli.gauge import Gauge
from rulegen.spec.measurable import VIEWS, lacking, unfit
from rulegen.spec.model_slo import ModelSlo, Slo
from rulegen.validation import companion_checks

Location = tuple[str | int, ...]

_DEFAULT_BUCKETS = [Duration(text) for text in DEFAULT_LATENCY_BUCKETS]


def latency_buckets(monitor: Monitor | None) -> list[Duration]:
    """The buckets of the latency histogram: the monitor's, or the default ones."""
    return monitor.spec.latencyBuckets if monitor is not None else _DEFAULT_BUCKETS


def bucket_problem(below: Duration, monitor: Monitor | None) -> str | None:
    """Why a latency objective cannot be measured, if it can't."""
    buckets = latency_buckets(monitor)
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
    for index, slo in enumerate(file.spec.slos):
        at: Location = ("spec", "slos", index, "sli")
        yield from _events(file, monitor, slo, at)
        if slo.sli.gauge is not None and slo.sli.gauge.metric in METRICS:
            yield from _Gauge(file, monitor, slo.sli.gauge, (*at, "gauge")).problems()


def _events(file: ModelSlo, monitor: Monitor, slo: Slo, at: Location) -> Iterator[Problem]:
    fields, name = monitor.spec.predictions.fields, monitor.path.name
    if slo.sli.errors is not None and fields.status is None:
        message = f"{name} reads no status: no prediction will ever count as an error"
        yield file.document.problem((*at, "errors"), message)
    if slo.sli.latency is not None and fields.latency is None:
        yield file.document.problem((*at, "latency"), f"{name} reads no latency")


class _Gauge:
    """Problems of one gauge."""

    def __init__(self, file: ModelSlo, monitor: Monitor, gauge: Gauge, at: Location) -> None:
        self.file = file
        self.monitor = monitor
        self.gauge = gauge
        self.at = at
        self.name = monitor.path.name

    def problems(self) -> Iterator[Problem]:
        gauge, spec = self.gauge, self.monitor.spec
        metric = METRICS[gauge.metric]
        if gauge.window is not None and "window" in metric.labels:
            yield from self._window(gauge.window)
        if gauge.reference is not None:
            yield from self._known(
                ("reference",), gauge.reference, spec.references, "reference", "references"
            )
            if gauge.reference in spec.references and "reference" in metric.labels:
                message = unfit(metric, gauge.reference, spec.references)
                if message:
                    yield self.problem(message, "reference")
        if "segment" in gauge.labels:
            value = gauge.labels["segment"]
            yield from self._known(
                ("labels", "segment"), value, map(scope_name, spec.segments), "segment", "segments"
            )
        if "attribute" in gauge.labels:
            attributes = map(scope_name, spec.fairness.attributes if spec.fairness else [])
            value = gauge.labels["attribute"]
            yield from self._known(
                ("labels", "attribute"), value, attributes, "attribute", "fairness.attributes"
            )
        features = spec.predictions.fields.features
        if "feature" in gauge.labels:
            yield from self._feature(gauge.labels["feature"], features)
        yield from self._values(metric)
        message = lacking(metric, spec, self.name)
        if message:
            yield self.problem(message, "metric")

    def _values(self, metric: Metric) -> Iterator[Problem]:
        """Of labels whose values the monitor file determines."""
        spec, labels = self.monitor.spec, self.gauge.labels
        if "average" in labels:
            averages = ["macro", "weighted"] if spec.task == "multiclass" else []
            if not averages:
                message = f"{self.name} has task {spec.task}: its '{metric.name}' has no average"
                yield self.problem(message, "labels", "average")
            else:
                yield from self._known(
                    ("labels", "average"), labels["average"], averages, "average", "averages"
                )
        classes = self._classes()
        for label in ("class", "actual", "predicted"):
            if label in labels and classes:
                yield from self._known(("labels", label), labels[label], classes, "class", "classes")
        if "k" in labels:
            cutoffs = map(str, spec.predictions.cutoffs)
            yield from self._known(("labels", "k"), labels["k"], cutoffs, "cutoff", "cutoffs")

    def _classes(self) -> list[str]:
        """Names of the classes; none where only a reference has them."""
        predictions = self.monitor.spec.predictions
        if self.monitor.spec.task == "binary":
            return ["other", predictions.positiveClass] if predictions.positiveClass else ["0", "1"]
        return predictions.classes or []

    def _feature(self, name: str, features: str | list[str] | None) -> Iterator[Problem]:
        declared = [*self.monitor.spec.features, *(features if isinstance(features, list) else ())]
        for feature, known in self.monitor.spec.features.items():
            declared += [f"{feature}.{view}" for view in VIEWS.get(known.type, ())]
        near = did_you_mean(name, declared)
        # Features of an object of features may be named by the reference only: then just a near miss is one.
        if name not in declared and (isinstance(features, list) or near):
            listed = f"expected one of {quoted_list(declared)}" if declared else "it names none"
            message = f"{self.name} has no feature '{name}', {listed}{near}"
            yield self.problem(message, "labels", "feature")

    def problem(self, message: str, *where: str) -> Problem:
        return self.file.document.problem((*self.at, *where), message)

    def _window(self, window: Duration) -> Iterator[Problem]:
        windows = self.monitor.spec.windows
        if window in windows:
            return
        same = next((own for own in windows if own.seconds == window.seconds), None)
        nearest = same or min(windows, key=lambda own: abs(own.seconds - window.seconds))
        hint = "write it the same way: " if same else "the nearest is "
        message = (
            f"{self.name} has no window '{window}', expected one of {quoted_list(windows)}; {hint}{nearest}"
        )
        yield self.problem(message, "window")

    def _known(
        self, where: tuple[str, ...], value: str, valid: Iterable[str], what: str, under: str
    ) -> Iterator[Problem]:
        names = list(valid)
        if value not in names:
            listed = f"expected one of {quoted_list(names)}" if names else f"{under} is empty"
            message = f"{self.name} has no {what} '{value}', {listed}{did_you_mean(value, names)}"
            yield self.problem(message, *where)
