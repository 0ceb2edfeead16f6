"""A log cannot be read, or is read more slowly than it grows."""

from __future__ import annotations

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Label, Text, Value
from rulegen.promql.conventions import MODEL, SINK_BEHIND, SINK_DOWN, SINKS_SLO, SLO, record_name
from rulegen.promql.expressions import by, selector
from rulegen.promql.rules import AlertRule, Record
from rulegen.slo.alerts import annotation_texts, static_labels
from rulegen.slo.companions.companion import META, Companion
from rulegen.slo.companions.demand import Demand
from rulegen.spec.model_slo import ModelSlo
from rulegen.spec.routing import Routing

UP = "ml_sink_up"
LAG = "ml_sink_lag_bytes"
SINK = "sink"
PREDICTIONS_SINK, LABELS_SINK = "predictions", "labels"
LAG_RECORD = record_name((MODEL, SINK), LAG, "max")


def down_everywhere(model: str, *, labels: bool) -> str:
    """PromQL: sinks that no replica can read; that of labels among them only where it matters."""
    own = {MODEL: model} if labels else {MODEL: model, SINK: PREDICTIONS_SINK}
    return f"max {by((MODEL, SINK))} ({selector(UP, own)}) == 0"


def down(file: ModelSlo, routing: Routing, demand: Demand) -> Companion:
    """A sink cannot be read, in one replica or more; the value is in how many."""
    rule = AlertRule(
        SINK_DOWN,
        f"count {by((MODEL, SINK))} ({selector(UP, {MODEL: file.model})} == 0)",
        static_labels(file, routing, SINKS_SLO, META, demand.tier),
        annotation_texts(
            file,
            Text.of(f"{file.model}: the sink of ", Label(SINK), " cannot be read, replicas: ", Value()),
            Text.of(
                f"Fires after {demand.after} of it. Nothing new is counted there: no error, no drift, no "
                "outcome. The exporter's log and its status page say what is wrong with the sink."
            ),
            {},
        ),
        demand.after,
        series_labels=(SINK,),
    )
    return Companion(demand, rule)


def behind(file: ModelSlo, routing: Routing, demand: Demand, interval: Duration) -> Companion:
    """The lag of a sink grows: for some time it has been larger than ever in as long a time before."""
    own = {MODEL: file.model}
    slo = {SLO: SINKS_SLO}
    record = Record(LAG_RECORD, f"max {by((MODEL, SINK))} ({selector(LAG, own)})", slo)
    recorded = selector(LAG_RECORD, own | slo)
    # A range that ends at the evaluation has a sample at both of its ends, and the two would share one.
    over = Duration.of_seconds(demand.after.seconds - min(1.0, interval.seconds / 2))
    rule = AlertRule(
        SINK_BEHIND,
        f"min_over_time({recorded}[{over}])\n>\nmax_over_time({recorded}[{over}] offset {demand.after})",
        static_labels(file, routing, SINKS_SLO, META, demand.tier),
        annotation_texts(
            file,
            Text.of(f"{file.model}: the sink of ", Label(SINK), " is read more slowly than it is written"),
            Text.of(
                "For ",
                f"{demand.after} no less than ",
                Value(),
                " bytes were waiting, more than ever in as "
                "long a time before. Gauges are about the past by as much as is waiting.",
            ),
            {},
        ),
        series_labels=(SINK,),
    )
    return Companion(demand, rule, (record,))
