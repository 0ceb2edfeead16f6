"""Alerts about what all SLOs of a model rest on: its monitor, labels, sinks, references and features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.promql import conventions
from rulegen.promql.annotations import DURATION, PERCENTAGE, Label, Members, Text, Value
from rulegen.promql.conventions import MODEL, SLO, record_name
from rulegen.promql.expressions import by, exact, number, selector
from rulegen.promql.rules import AlertRule, Record
from rulegen.slo.alerts import AlertBuilder
from rulegen.slo.companions.dependencies import Demand, Dependencies, rests_on_labels

# The layer of these alerts. Their SLO has a name that no user's can have: where one silences the less
# urgent alerts of its SLO, it must not silence those about another dependency.
META = "meta"
LAST_SUCCESS = "ml_monitor_last_success_timestamp_seconds"
WATERMARK = "ml_label_watermark_timestamp_seconds"
UP, SINK = "ml_sink_up", "sink"
# A sink has the one or the other: files are read by the byte, a topic by the record.
LAGS = ("ml_sink_lag_bytes", "ml_sink_lag_records")
PREDICTIONS_SINK, LABELS_SINK = "predictions", "labels"
LAG_RECORD = record_name((MODEL, SINK), "ml_sink_lag", "max")
CREATED, REFERENCE = "ml_reference_created_timestamp_seconds", "reference"
MONITORED, EXPECTED = "ml_features_monitored", "ml_features_expected"
MISSING, PREDICTIONS = "ml_feature_missing_ratio", "ml_predictions_total"
VERSION, FEATURE = "version", "feature"
PRESENT, FIELD = "ml_field_present_ratio", "field"
# A field is missing where fewer records have it than this, though within the time nearly all had.
RARE, USUAL, MEMORY = Decimal("0.5"), Decimal("0.9"), Duration("1d")
_IN_SERVICE = 3600.0


@dataclass(frozen=True)
class Companion:
    """One alert of a model. ``sinks``: it is quiet about a replica that cannot read these."""

    demand: Demand
    rule: AlertRule
    records: tuple[Record, ...] = ()
    sinks: tuple[str, ...] = ()


def of_model(build: AlertBuilder, dependencies: Dependencies) -> Iterator[Companion]:
    """Yield the companions of a model as a whole, in the order of their rules."""
    for demand in dependencies.monitor:
        yield _monitor_stale(build, demand)
        yield _monitor_absent(build, demand)
    for demand in dependencies.labels:
        yield _labels_stale(build, dependencies, demand)
    own = build.file.spec.companions
    if own is None:
        return
    if own.sinkDown:
        yield _sink_down(build, Demand(own.sinkDown.tier, own.sinkDown.after))
    if own.sinkBehind:
        yield _sink_behind(build, Demand(own.sinkBehind.tier, own.sinkBehind.after))
    if own.referenceOld:
        yield _reference_old(build, Demand(own.referenceOld.tier, own.referenceOld.after))
    if own.unmonitored:
        demand = Demand(own.unmonitored.tier, own.unmonitored.after)
        yield _unmonitored(build, demand, own.unmonitored.atLeastRatio)
    if own.fieldMissing:
        yield _field_missing(build, Demand(own.fieldMissing.tier, own.fieldMissing.after))


def since_success(model: str) -> str:
    """PromQL: seconds since the last cycle that succeeded, of the replica where it is longest ago."""
    return f"time() - min by ({MODEL}) ({selector(LAST_SUCCESS, {MODEL: model})})"


def _monitor_stale(build: AlertBuilder, demand: Demand) -> Companion:
    """No cycle has succeeded for some time, in one replica or more."""
    model = build.file.model
    expression = f"{since_success(model)} > {number(demand.after.seconds)}"
    summary = Text.of(f"{model}: the last cycle of the monitor succeeded ", Value(DURATION), " ago")
    effect = "Its gauges keep their last values, so that no other alert of the model can be trusted."
    description = Text.of(f"Fires after {demand.after} without a cycle that succeeds. {effect}")
    rule = build.alert(
        conventions.MONITOR_STALE,
        conventions.MONITOR_SLO,
        META,
        demand.tier,
        expression,
        summary,
        description,
    )
    return Companion(demand, rule)


def _monitor_absent(build: AlertBuilder, demand: Demand) -> Companion:
    """Nothing that is scraped has this model."""
    model = build.file.model
    expression = f"absent({selector(LAST_SUCCESS, {MODEL: model})})"
    summary = Text.of(f"{model}: nothing has been heard of the monitor for {demand.after}")
    description = Text.of("No exporter with this model is scraped: no alert of the model can fire.")
    name, slo = conventions.MONITOR_ABSENT, conventions.MONITOR_SLO
    rule = build.alert(name, slo, META, demand.tier, expression, summary, description, for_=demand.after)
    return Companion(demand, rule)


def _label_age(model: str) -> str:
    """PromQL: how old the newest label of each replica was at its last cycle.

    Not how old it is now: where cycles stop, it is the monitor that is stale, and is told.
    """
    own = {MODEL: model}
    return f"{selector(LAST_SUCCESS, own)} - {selector(WATERMARK, own)}"


def labels_stale_everywhere(model: str, limit: float) -> str:
    """PromQL: no replica has a newer label than this."""
    return f"min by ({MODEL}) ({_label_age(model)}) > {number(limit)}"


def _labels_stale(build: AlertBuilder, dependencies: Dependencies, demand: Demand) -> Companion:
    """Labels have stopped coming.

    Without new ones the exporter withholds quality gauges, and alerts on them end as if the model were well again.
    """
    model = build.file.model
    old = _label_age(model)
    needed = (LABELS_SINK,) if dependencies.sink_before(demand) else ()
    if needed:
        # A replica that cannot read its labels has an alert of its own.
        down = f"({selector(UP, {MODEL: model, SINK: LABELS_SINK})} == 0)"
        old = f"\n  ({old})\n  unless ignoring ({SINK})\n  {down}\n"
    slos = [slo.name for slo in build.file.spec.slos if rests_on_labels(slo)]
    said = f"Fires where no label of the last {demand.after} has come, in one replica or more."
    if slos:
        those = f"{'SLO' if len(slos) == 1 else 'SLOs'} {', '.join(slos)}"
        said += f" Alerts of {those} end meanwhile, and cannot fire: that is no sign that the model is well."
    expression = f"max by ({MODEL}) ({old}) > {number(demand.after.seconds)}"
    summary = Text.of(f"{model}: the newest label is ", Value(DURATION), " old")
    rule = build.alert(
        conventions.LABELS_STALE,
        conventions.LABELS_SLO,
        META,
        demand.tier,
        expression,
        summary,
        Text.of(said),
    )
    return Companion(demand, rule, sinks=needed)


def sinks_down_everywhere(model: str, *, labels: bool) -> str:
    """PromQL: sinks that no replica can read; that of labels among them only where it matters."""
    own = {MODEL: model} if labels else {MODEL: model, SINK: PREDICTIONS_SINK}
    return f"max {by((MODEL, SINK))} ({selector(UP, own)}) == 0"


def _sink_down(build: AlertBuilder, demand: Demand) -> Companion:
    """A sink cannot be read, in one replica or more; the value is in how many."""
    model = build.file.model
    expression = f"count {by((MODEL, SINK))} ({selector(UP, {MODEL: model})} == 0)"
    summary = Text.of(f"{model}: the sink of ", Label(SINK), " cannot be read, replicas: ", Value())
    description = Text.of(
        f"Fires after {demand.after} of it. Nothing new is counted there: no error, no drift, no "
        "outcome. The exporter's log and its status page say what is wrong with the sink."
    )
    name, slo, lasts = conventions.SINK_DOWN, conventions.SINKS_SLO, demand.after
    rule = build.alert(
        name, slo, META, demand.tier, expression, summary, description, for_=lasts, series_labels=(SINK,)
    )
    return Companion(demand, rule)


def _sink_behind(build: AlertBuilder, demand: Demand) -> Companion:
    """The lag of a sink grows: for some time it has been larger than ever in as long a time before."""
    own, slo = {MODEL: build.file.model}, {SLO: conventions.SINKS_SLO}
    lag = " or ".join(selector(metric, own) for metric in LAGS)
    record = Record(LAG_RECORD, f"max {by((MODEL, SINK))} ({lag})", slo)
    recorded = selector(LAG_RECORD, own | slo)
    # A range that ends at the evaluation has a sample at both of its ends, and the two would share one.
    interval = build.routing.spec.evaluationInterval
    over = Duration.of_seconds(demand.after.seconds - min(1.0, interval.seconds / 2))
    expression = (
        f"min_over_time({recorded}[{over}])\n>\nmax_over_time({recorded}[{over}] offset {demand.after})"
    )
    model, name = build.file.model, conventions.SINK_BEHIND
    summary = Text.of(f"{model}: the sink of ", Label(SINK), " is read more slowly than it is written")
    ever = " bytes (or records, as the sink counts) were waiting, more than ever in as long a time before."
    effect = " Gauges are about the past by as much as is waiting."
    description = Text.of(f"For {demand.after} no less than ", Value(), ever + effect)
    rule = build.alert(
        name, slo[SLO], META, demand.tier, expression, summary, description, series_labels=(SINK,)
    )
    return Companion(demand, rule, (record,))


def _reference_old(build: AlertBuilder, demand: Demand) -> Companion:
    """The data of a reference, which drift is measured against, ended long ago, in the replica where it is oldest.

    Of a replica's versions the one with the newest data counts: a version that is being retired keeps
    its old reference to the end, and one that has none yet says nothing.
    """
    model = build.file.model
    created = f"max without (version) ({selector(CREATED, {MODEL: model})})"
    name, slo = conventions.REFERENCE_OLD, conventions.REFERENCES_SLO
    expression = f"time() - min {by((MODEL, REFERENCE))} ({created}) > {number(demand.after.seconds)}"
    summary = Text.of(
        f"{model}: the data of reference ", Label(REFERENCE), " ended ", Value(DURATION), " ago"
    )
    description = Text.of(
        f"Fires after {demand.after}. Drift from it may only be the time that has passed. A new "
        "reference from recent data that were judged to be good replaces it."
    )
    rule = build.alert(
        name, slo, META, demand.tier, expression, summary, description, series_labels=(REFERENCE,)
    )
    return Companion(demand, rule)


def in_service(interval: Duration) -> Duration:
    """A version that has predicted within this counts: an hour, or four evaluations."""
    return Duration.of_seconds(max(_IN_SERVICE, interval.seconds * 4))


def share(least: float) -> Decimal:
    """The share of features, 0..1, that may be monitored at most where ``least`` are not."""
    return 1 - exact(least)


def _unmonitored(build: AlertBuilder, demand: Demand, least: float) -> Companion:
    """A share of ``least``, 0..1, of the features is not measured, in the replica where it is most.

    Windows with too few rows for any feature do not count (the missing ratio is withheld there), so that
    a new version has its time; of the others the one with most features does. A version that no longer
    predicts does not count either: what is left of it in a window gets less and less.
    """
    model = build.file.model
    own = {MODEL: model}
    missing = selector(MISSING, {**own, "segment": "", "segment_value": ""})
    enough = f"{selector(MONITORED, own)} and ignoring ({FEATURE}) {missing}"
    of_replica = f"max without (window) ({enough})\n  / ignoring ({VERSION}) group_left ()\n  {selector(EXPECTED, own)}"
    counted = f"increase({selector(PREDICTIONS, own)}[{in_service(build.routing.spec.evaluationInterval)}])"
    predicts = f"sum {by((MODEL, VERSION))} ({counted}) > 0"
    expression = (
        f"min {by((MODEL, VERSION))} (\n  {of_replica}\n) <= {number(share(least))}\n"
        f"and on ({MODEL}, {VERSION})\n{predicts}"
    )
    mostly = f"max {by((VERSION, FEATURE))} ({missing}) > 0.5"
    measured = " of the features are measured (version "
    summary = Text.of(f"{model}: only ", Value(PERCENTAGE), measured, Label(VERSION), ")")
    said = (
        f"Fires after {demand.after} of it. The others have too few values, or are of a type that is "
        "not known: nothing is told of their drift. Missing in more than half of the rows:"
    )
    description = Text.of(said, Members(mostly, (FEATURE,), (VERSION,), PERCENTAGE, " none"), ".")
    name, slo, lasts = conventions.FEATURES_UNMONITORED, conventions.FEATURES_SLO, demand.after
    rule = build.alert(
        name, slo, META, demand.tier, expression, summary, description, for_=lasts, series_labels=(VERSION,)
    )
    return Companion(demand, rule)


def _field_missing(build: AlertBuilder, demand: Demand) -> Companion:
    """Most records of a replica lack a field that nearly all records had, of any replica.

    An optional field, which records never had, says nothing. Nor does one that has been away for longer.
    """
    model = build.file.model
    present = selector(PRESENT, {MODEL: model})
    now = f"min {by((MODEL, FIELD))} ({present}) < {number(RARE)}"
    before = f"max {by((MODEL, FIELD))} (max_over_time({present}[{MEMORY}])) > {number(USUAL)}"
    summary = Text.of(
        f"{model}: field '", Label(FIELD), "' can be read in only ", Value(PERCENTAGE), " of the records"
    )
    description = Text.of(
        f"Fires after {demand.after} of it, where more than 90 % of the records had it within the last {MEMORY}. Most "
        "likely it was renamed, or is of another type now: what rests on it is not measured. The exporter's log names "
        "the paths that there are instead. Ends when the field is back, or has been away for longer."
    )
    name, slo, lasts = conventions.FIELD_MISSING, conventions.FIELDS_SLO, demand.after
    expression = f"{now}\nand\n{before}"
    rule = build.alert(
        name, slo, META, demand.tier, expression, summary, description, for_=lasts, series_labels=(FIELD,)
    )
    return Companion(demand, rule)
