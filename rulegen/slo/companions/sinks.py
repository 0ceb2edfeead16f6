"""A log cannot be read, or is read more slowly than it grows."""

from __future__ import annotations

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Label, Text, Value
from rulegen.promql.conventions import MODEL, SINK_BEHIND, SINK_DOWN, SINKS_SLO, SLO, record_name
from rulegen.promql.expressions import by, selector
from rulegen.promql.rules import Record
from rulegen.slo.companions.companion import Builder, Companion, Demand

UP = "ml_sink_up"
LAG = "ml_sink_lag_bytes"
SINK = "sink"
PREDICTIONS_SINK, LABELS_SINK = "predictions", "labels"
LAG_RECORD = record_name((MODEL, SINK), LAG, "max")


def down_everywhere(model: str, *, labels: bool) -> str:
    """PromQL: sinks that no replica can read; that of labels among them only where it matters."""
    own = {MODEL: model} if labels else {MODEL: model, SINK: PREDICTIONS_SINK}
    return f"max {by((MODEL, SINK))} ({selector(UP, own)}) == 0"


def down(build: Builder, demand: Demand) -> Companion:
    """A sink cannot be read, in one replica or more; the value is in how many."""
    rule = build.alert(
        SINK_DOWN,
        SINKS_SLO,
        f"count {by((MODEL, SINK))} ({selector(UP, {MODEL: build.model})} == 0)",
        demand,
        Text.of(f"{build.model}: the sink of ", Label(SINK), " cannot be read, replicas: ", Value()),
        Text.of(
            f"Fires after {demand.after} of it. Nothing new is counted there: no error, no drift, no "
            "outcome. The exporter's log and its status page say what is wrong with the sink."
        ),
        lasting=True,
        series_labels=(SINK,),
    )
    return Companion(demand, rule)


def behind(build: Builder, demand: Demand) -> Companion:
    """The lag of a sink grows: for some time it has been larger than ever in as long a time before."""
    own = {MODEL: build.model}
    slo = {SLO: SINKS_SLO}
    record = Record(LAG_RECORD, f"max {by((MODEL, SINK))} ({selector(LAG, own)})", slo)
    recorded = selector(LAG_RECORD, own | slo)
    # A range that ends at the evaluation has a sample at both of its ends, and the two would share one.
    over = Duration.of_seconds(demand.after.seconds - min(1.0, build.interval.seconds / 2))
    rule = build.alert(
        SINK_BEHIND,
        SINKS_SLO,
        f"min_over_time({recorded}[{over}])\n>\nmax_over_time({recorded}[{over}] offset {demand.after})",
        demand,
        Text.of(f"{build.model}: the sink of ", Label(SINK), " is read more slowly than it is written"),
        Text.of(
            f"For {demand.after} no less than ",
            Value(),
            " bytes were waiting, more than ever in as "
            "long a time before. Gauges are about the past by as much as is waiting.",
        ),
        series_labels=(SINK,),
    )
    return Companion(demand, rule, (record,))
