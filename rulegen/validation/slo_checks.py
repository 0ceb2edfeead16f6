"""Checks of a ModelSLO file: its names exist, and its parts go together."""

from collections.abc import Iterable, Iterator, Sequence

from mlslo.catalogue import METRICS, Metric, Type
from mlslo.monitor import Monitor
from mlslo.yamlfile import Document, Duration, Location, Problem, did_you_mean, quoted_list
from rulegen.conditions import beyond_noise
from rulegen.conditions.kind import Comparison
from rulegen.conditions.reference import counterpart
from rulegen.promql import query, replicas
from rulegen.promql.conventions import NAMESPACE, PERIOD, REVISION
from rulegen.promql.versions import KEEP_FIRING_FOR, NATIVE_HISTOGRAMS
from rulegen.sli import query_series
from rulegen.sli.gauge import Gauge, entities
from rulegen.sli.query_series import PromQl
from rulegen.slo import burn_rate
from rulegen.slo.alerts import namespace_label
from rulegen.slo.companions.dependencies import no_data
from rulegen.slo.plan import mistakes_in_texts, pairs_of
from rulegen.spec.lint_names import named
from rulegen.spec.model_slo import Alert, Alerting, Latency, ModelSlo, Slo
from rulegen.spec.routing import Routing
from rulegen.spec.time_windows import nominal
from rulegen.validation import companion_checks
from rulegen.validation.companion_checks import too_long, unknown_tier
from rulegen.validation.monitor_checks import against_monitor, bucket_problem

# More past than is ever kept.
LONGEST_PAST = Duration("400d")


def across(models: Sequence[ModelSlo], watched: Sequence[Monitor]) -> Iterator[Problem]:
    """Problems between files: what may be there only once."""
    name, model = ("metadata", "name"), ("spec", "model")
    said = "'{0}' is the name of {1} too, expected one ModelSLO file of a name"
    yield from _twice([(one.name, one.document) for one in models], name, said)
    said = "model '{0}' has its promises in {1}, expected one file per model"
    yield from _twice([(one.model, one.document) for one in models], model, said)
    yield from _twice(
        [(one.model, one.document) for one in watched], name, "model '{0}' is monitored by {1} too"
    )


def _twice(named: Iterable[tuple[str, Document]], at: Location, said: str) -> Iterator[Problem]:
    seen: dict[str, Document] = {}
    for name, document in named:
        # File systems may take names that differ in case for one.
        first = seen.setdefault(name.lower() if at == ("metadata", "name") else name, document)
        if first is not document:
            yield document.problem(at, said.format(name, first.path))


def of_model(file: ModelSlo, routing: Routing, watched: Sequence[Monitor]) -> Iterator[Problem]:
    """Problems of one file."""
    yield from _duplicates(file)
    if namespace_label(routing) and NAMESPACE in file.metadata.labels:
        said = "spec.operator of the routing file sets the label 'namespace' on every alert, leave it out"
        yield file.document.problem(("metadata", "labels", NAMESPACE), said, key=True)
    yield from companion_checks.of_model(file, routing)
    monitor = next((own for own in watched if own.model == file.model), None)
    for at, slo in file.slos:
        yield from _Slo(file, routing, slo, at).problems()
        latency = slo.sli.latency
        if latency is not None and not latency.native and (message := bucket_problem(latency.below, monitor)):
            yield file.document.problem((*at, "sli", "latency", "below"), message)
    if watched:
        yield from against_monitor(file, watched)


def _duplicates(file: ModelSlo) -> Iterator[Problem]:
    slos: dict[str, str | int] = {}
    alerts: dict[str, str] = {}
    for at, slo in file.slos:
        if slo.name == "monitor":
            message = "'monitor' is the name of the SLO of the alerts about the monitor, choose another"
            yield file.document.problem((*at, "name"), message)
        if slo.name in slos:
            message = f"duplicate SLO name '{slo.name}', it names slos[{slos[slo.name]}] too"
            yield file.document.problem((*at, "name"), message)
        slos.setdefault(slo.name, at[-1])
        for place, alert in slo.placed_alerts(at):
            if alert.name in alerts:
                message = f"duplicate alert name '{alert.name}', SLO '{alerts[alert.name]}' has it too"
                yield file.document.problem((*place, "name"), message)
            alerts.setdefault(alert.name, slo.name)


def _refuse_groups(parsed: query.Query, groups: Sequence[str]) -> None:
    """Raise QueryError where a ratio lacks groups, or has others, which its error budget would not tell apart."""
    for label in groups:
        if lost := query.loses(parsed, label):
            found, offset = lost
            known = sorted(query.labels_of(parsed) or ())
            message = f"no series has the label '{label}' of groupBy, '{found}' aggregates it away"
            near = did_you_mean(label, known) or f"; write 'by ({', '.join(groups)})'"
            raise query.QueryError(message + near, offset)
    if beside := query.grouped_by(parsed, groups):
        grouping, offset = beside
        labels = grouping[grouping.index("(") :].strip("()").split(", ")
        asked = f"groupBy: [{', '.join(dict.fromkeys([*groups, *labels]))}]"
        one = "one for all series" if not groups else f"one for each {' and '.join(groups)}"
        message = f"the error budget is {one}, '{grouping}' would be summed away unseen"
        instead = f"write `{asked}` beside sli for one each, or leave it out"
        if grouping.startswith("without"):
            instead = "leave it out, or say by which labels there is one each: groupBy"
        raise query.QueryError(f"{message}; {instead}", offset)


class _Slo:
    """Problems of one SLO."""

    def __init__(self, file: ModelSlo, routing: Routing, slo: Slo, at: Location) -> None:
        self.file = file
        self.document = file.document
        self.has_no_data = no_data(file, slo) is not None
        self.own_labels = {**file.metadata.labels, **namespace_label(routing)}
        self.routing = routing
        self.slo = slo
        self.at = at
        self.target = routing.spec.target
        self.interval = routing.spec.evaluationInterval

    def problem(self, message: str, *where: str | int, key: bool = False) -> Problem:
        return self.document.problem((*self.at, *where), message, key=key)

    def problems(self) -> Iterator[Problem]:
        found = list(self._of_keys())
        yield from found
        if not found:
            # Which variables a text has follows from all else.
            for at, mistake in mistakes_in_texts(self.file, self.routing, self.slo):
                yield self.document.problem_within((*self.at, *at), mistake.offset, str(mistake))

    def _of_keys(self) -> Iterator[Problem]:
        slo = self.slo
        if slo.sli.gauge is not None:
            yield from self._gauge_keys()
            yield from self._gauge(slo.sli.gauge)
        elif slo.sli.promql is not None:
            yield from self._gauge_keys()
            yield from self._promql(slo.sli.promql)
        else:
            yield from self._counter_keys()
        yield from self._group_by()
        if slo.sli.latency is not None:
            yield from self._native(slo.sli.latency)
        if slo.sli.ratio is not None:
            yield from self._ratio()
        if slo.objective is not None and slo.timeWindow is not None:
            yield from self._budget(nominal(slo.timeWindow))

    def _gauge_keys(self) -> Iterator[Problem]:
        slo = self.slo
        budget = {"objective": slo.objective, "timeWindow": slo.timeWindow, "good": slo.good}
        given = [key for key, value in budget.items() if value is not None]
        missing = [key for key, value in budget.items() if value is None]
        if given and missing:
            message = f"an objective on a gauge needs objective, timeWindow and good; {' and '.join(missing)} missing"
            yield self.problem(message, given[0], key=True)
        if not given and not slo.alerts:
            yield self.problem(
                "expected alerts, or an objective with timeWindow and good: this SLO raises nothing"
            )
        if slo.alerting is not None and slo.objective is None:
            yield self.problem(
                "alerting is about an error budget, this SLO has no objective", "alerting", key=True
            )

    def _counter_keys(self) -> Iterator[Problem]:
        slo = self.slo
        for key, value in (("objective", slo.objective), ("timeWindow", slo.timeWindow)):
            if value is None:
                yield self.problem(f"missing key '{key}': the error budget of events follows from it")
        if slo.good is not None:
            yield self.problem(
                "good is for gauges; here the SLI says which events are good", "good", key=True
            )
        if slo.alerts:
            message = (
                "alerts are conditions on a gauge; an error budget alerts by its burn rate, see alerting"
            )
            yield self.problem(message, "alerts", key=True)

    def _native(self, latency: Latency) -> Iterator[Problem]:
        at = ("sli", "latency")
        refusal = NATIVE_HISTOGRAMS.refusal(self.target.prometheus.from_)
        if latency.native and refusal:
            yield self.problem(
                f"{refusal}; an older one needs a bucket of a classic histogram", *at, "native", key=True
            )
        if not latency.native and latency.metric is not None:
            message = "metric is for native histograms, with `native: true`; of a classic one, write a ratio of buckets"
            yield self.problem(message, *at, "metric", key=True)
        if latency.labels and latency.metric is None:
            message = "labels choose among the series of metric, which is missing"
            yield self.problem(message, *at, "labels", key=True)

    def _group_by(self) -> Iterator[Problem]:
        slo = self.slo
        if not slo.groupBy:
            if "maxGroups" in slo.model_fields_set:
                yield self.problem(
                    "maxGroups bounds the groups of groupBy, which is missing", "maxGroups", key=True
                )
            return
        if slo.sli.gauge is not None or slo.sli.promql is not None:
            message = "groupBy is for budgets of events (errors, latency, ratio): of a gauge the worst series counts"
            yield self.problem(f"{message}; write an SLO for each, chosen by labels", "groupBy", key=True)
            return
        taken = dict.fromkeys(self.own_labels, "metadata.labels")
        taken |= dict.fromkeys(namespace_label(self.routing), "spec.operator of the routing file")
        for index, label in enumerate(slo.groupBy):
            if label in slo.groupBy[:index]:
                yield self.problem(f"duplicate label '{label}'", "groupBy", index)
            elif label in taken:
                message = (
                    f"{taken[label]} sets the label '{label}' on every alert, it cannot tell groups apart"
                )
                yield self.problem(message, "groupBy", index)
            elif label in (REVISION, PERIOD):
                yield self.problem(
                    f"the label '{label}' is set by the generator, leave it out", "groupBy", index
                )
            elif label == "le" or (label == "code" and slo.sli.errors is not None):
                message = f"'{label}' tells the counts of one group apart, it cannot tell groups apart"
                yield self.problem(message, "groupBy", index)

    def _ratio(self) -> Iterator[Problem]:
        ratio = self.slo.sli.ratio
        assert ratio is not None
        counts: list[bool] = []
        for key, expression in (("errors", ratio.errors), ("total", ratio.total)):
            try:
                parsed = query.parse_windowed(expression)
                query.refuse_unsupported(parsed, self.target.prometheus.from_, self.target.newest_prometheus)
                _refuse_groups(parsed, self.slo.groupBy)
                if key == "total":
                    self._refuse_filter(parsed, "leave it out")
                counts.append(query.per_window(parsed))
            except query.QueryError as error:
                at = (*self.at, "sli", "ratio", key)
                yield self.document.problem_within(at, error.offset, str(error))
        if counts in ([True, False], [False, True]):
            whole, second = ("errors", "total") if counts[0] else ("total", "errors")
            message = (
                f"{whole} counts events of the whole window, {second} per second, expected the same of both"
            )
            yield self.problem(message, "sli", "ratio")

    def _budget(self, time_window: Duration) -> Iterator[Problem]:
        slo = self.slo
        alerting = slo.alerting or Alerting.model_validate({})
        try:
            pairs = pairs_of(slo)
        except ValueError as error:
            yield self.problem(f"{error}; a shorter one needs alerting.windows", "timeWindow")
            return
        for speed in ("fast", "slow"):
            if any(pair.speed == speed for pair in pairs):
                at = ("alerting", speed) if speed in alerting.model_fields_set else ("objective",)
                yield from unknown_tier(
                    self.document, self.routing, (*self.at, *at), getattr(alerting, speed)
                )
        yield from too_long(self.document, self.interval, (*self.at, "alerting", "for"), alerting.for_)
        if slo.objective is not None and not burn_rate.that_can_fire(pairs, slo.objective)[0]:
            message = "no burn-rate alert of this objective can ever fire"
            yield self.problem(named(message, "never-fires"), "objective")
        yield from self._past(time_window, "timeWindow")
        for index, pair in enumerate(pairs):
            where: Location = ("alerting", "windows", index) if alerting.windows else ("timeWindow",)
            if pair.long.seconds > time_window.seconds:
                yield self.problem(
                    f"the window {pair.long} is longer than the time window {time_window}", *where
                )
            if pair.short.seconds < self.interval.seconds:
                message = f"the window {pair.short} is shorter than the evaluation interval {self.interval}"
                yield self.problem(message, *where)

    def _gauge(self, gauge: Gauge) -> Iterator[Problem]:
        at = ("sli", "gauge")
        metric = METRICS.get(gauge.metric)
        if metric is None:
            message = f"unknown metric '{gauge.metric}'{did_you_mean(gauge.metric, METRICS)}"
            yield self.problem(f"{message}; mlslo-exporter metrics lists them", *at, "metric")
            return
        if metric.type not in (Type.GAUGE, Type.SUMMARY):
            message = f"'{metric.name}' is a {metric.type}, expected a gauge; counters are for errors, latency, ratio"
            yield self.problem(message, *at, "metric")
            return
        if "model" not in metric.labels:
            yield self.problem(
                f"'{metric.name}' has no label model: it is not about one model", *at, "metric"
            )
            return
        yield from self._chosen(gauge, metric)
        yield from self._alerts(metric, metric.name, several=bool(entities(metric, gauge)))

    def _promql(self, promql: PromQl) -> Iterator[Problem]:
        at = ("sli", "promql")
        try:
            parsed = query.parse(promql.query)
            query.refuse_unsupported(parsed, self.target.prometheus.from_, self.target.newest_prometheus)
            self._refuse_filter(parsed)
        except query.QueryError as error:
            where = (*self.at, *at, "query")
            yield self.document.problem_within(where, error.offset, str(error))
            return
        for index, label in enumerate(promql.labels):
            if label in promql.labels[:index]:
                yield self.problem(f"duplicate label '{label}'", *at, "labels", index)
            if label in self.own_labels:
                setter = "spec.operator of the routing file" if label == NAMESPACE else "metadata.labels"
                message = f"{setter} sets the label '{label}', it cannot tell series apart"
                yield self.problem(message, *at, "labels", index)
        for index, message in query_series.lost(promql):
            yield self.problem(message, *at, "labels", index)
        several = any(label != "version" for label in promql.labels)
        metric = query_series.metric_of(self.slo.layer, promql)
        yield from self._alerts(metric, "the query", several=several)

    def _refuse_filter(self, parsed: query.Query, otherwise: str = "") -> None:
        """Raise QueryError where the no-data companion would fire though all is well."""
        found = query.value_filter(parsed)
        if found is None or not self.has_no_data:
            return
        filters, offset = found
        if filters in query.ABSENT:
            said, instead = f"{filters}() has no value while its series is there", "add `or vector(0)`"
        else:
            said = f"there is no value where this '{filters}' is false"
            instead = otherwise or f"write `{filters} bool`"
        message = f"{said}, and noData would take it for missing data; {instead}, or set `noData: false` for this SLO"
        raise query.QueryError(message, offset)

    def _chosen(self, gauge: Gauge, metric: Metric) -> Iterator[Problem]:
        """The window, reference and labels that a gauge is selected by."""
        at = ("sli", "gauge")
        compared = any(alert.when.compares_with_reference for alert in self.slo.alerts)
        for key, value in (("window", gauge.window), ("reference", gauge.reference)):
            if key in metric.labels and value is None:
                yield self.problem(f"missing key '{key}': '{metric.name}' is measured for each {key}", *at)
            elif key not in metric.labels and value is not None:
                if key == "reference" and compared and counterpart(metric) is not None:
                    continue
                hint = ""
                if key == "reference" and counterpart(metric) is not None:
                    hint = "; it is for conditions of the kinds aboveReference and belowReference"
                yield self.problem(f"'{metric.name}' has no {key}{hint}", *at, key, key=True)
        if gauge.replicas is not None and (refused := replicas.refusal(metric, gauge.replicas)):
            yield self.problem(refused, *at, "replicas")
        free = [label for label in metric.labels if label not in ("model", "window", "reference")]
        for label in gauge.labels:
            if label in ("model", "window", "reference"):
                instead = "spec.model" if label == "model" else f"{label}: beside metric:"
                yield self.problem(
                    f"the label '{label}' is chosen with {instead}", *at, "labels", label, key=True
                )
            elif label not in free:
                message = f"'{metric.name}' has no label '{label}', expected one of {quoted_list(free)}"
                yield self.problem(message + did_you_mean(label, free), *at, "labels", label, key=True)
            elif metric.additive and label == "version":
                message = f"'{metric.name}' is summed over versions, it cannot be one version's"
                yield self.problem(message, *at, "labels", label, key=True)
        if "segment_value" in gauge.labels and "segment" not in gauge.labels:
            yield self.problem("a segment_value needs its segment", *at, "labels", "segment_value", key=True)

    def _alerts(self, metric: Metric, title: str, *, several: bool) -> Iterator[Problem]:
        """Conditions on a gauge; ``several``: whether a version has more than one series of it."""
        for index, alert in enumerate(self.slo.alerts):
            at: Location = ("alerts", index)
            yield from unknown_tier(self.document, self.routing, (*self.at, *at, "tier"), alert.tier)
            yield from self._expected_pages(alert, *at)
            if alert.keepFiringFor is not None and (
                refusal := KEEP_FIRING_FOR.refusal(self.target.prometheus.from_)
            ):
                yield self.problem(refusal, *at, "keepFiringFor", key=True)
            if alert.when.series is not None and not several:
                message = (
                    f"series counts features, segments and the like; '{title}' here is one series a version"
                )
                yield self.problem(message, *at, "when", "series", key=True)
            for key, duration in (("for", alert.for_), ("keepFiringFor", alert.keepFiringFor)):
                yield from too_long(self.document, self.interval, (*self.at, *at, key), duration)
            for place, leaf in alert.when.leaves((*at, "when")):
                if leaf.beyondNoise and (refused := beyond_noise.refusal(metric, title, self._labels)):
                    yield self.problem(refused, *place, "beyondNoise", key=True)
                if leaf.comparison is not None:
                    yield from self._comparison(leaf.comparison, metric, title, (*place, leaf.key))

    def _expected_pages(self, alert: Alert, *at: str | int) -> Iterator[Problem]:
        """An alert that may page more often than its whole tier."""
        tier = self.routing.spec.tiers.get(alert.tier)
        if alert.expectedPages is None or tier is None or tier.expectedPages is None:
            return
        own, whole = alert.expectedPages.perMonth, tier.expectedPages.perMonth
        if own > whole:
            message = f"expected at most {whole:g}, which all of tier {alert.tier} may have, got {own:g}"
            yield self.problem(message, *at, "expectedPages", "perMonth")

    @property
    def _labels(self) -> list[str]:
        gauge = self.slo.sli.gauge
        return [] if gauge is None else [*gauge.labels]

    def _past(self, length: Duration, *where: str | int) -> Iterator[Problem]:
        if length.seconds > LONGEST_PAST.seconds:
            yield self.problem(f"expected at most {LONGEST_PAST}, got {length}", *where)

    def _comparison(
        self, comparison: Comparison, metric: Metric, title: str, at: Location
    ) -> Iterator[Problem]:
        if refusal := comparison.refusal(metric, title):
            yield self.problem(refusal, *at, key=True)
        for key in type(comparison).model_fields:
            length = getattr(comparison, key)
            if not isinstance(length, Duration):
                continue
            yield from self._past(length, *at, key)
            if key == comparison.sampled and length.seconds < 2 * self.interval.seconds:
                message = f"expected a window of two evaluations or more, one is every {self.interval}"
                yield self.problem(message, *at, key)
