"""Labels have stopped coming.

Without new labels the exporter withholds quality gauges, and alerts on them end as if the model were
well again.
"""

from __future__ import annotations

from rulegen.promql.annotations import DURATION, Text, Value
from rulegen.promql.conventions import LABELS_SLO, LABELS_STALE, MODEL
from rulegen.promql.expressions import number, selector
from rulegen.slo.companions.companion import Builder, Companion, Demand
from rulegen.slo.companions.dependencies import Dependencies, rests_on_labels
from rulegen.slo.companions.monitor import LAST_SUCCESS
from rulegen.slo.companions.sinks import LABELS_SINK, SINK, UP

WATERMARK = "ml_label_watermark_timestamp_seconds"


def age(model: str) -> str:
    """PromQL: how old the newest label of each replica was at its last cycle.

    Not how old it is now: where cycles stop, it is the monitor that is stale, and is told.
    """
    own = {MODEL: model}
    return f"{selector(LAST_SUCCESS, own)} - {selector(WATERMARK, own)}"


def stale_everywhere(model: str, limit: float) -> str:
    """PromQL: no replica has a newer label than this."""
    return f"min by ({MODEL}) ({age(model)}) > {number(limit)}"


def stale(build: Builder, dependencies: Dependencies, demand: Demand) -> Companion:
    """The alert, and the SLOs whose alerts end meanwhile."""
    old = age(build.model)
    needed = (LABELS_SINK,) if dependencies.sink_before(demand) else ()
    if needed:
        # A replica that cannot read its labels has an alert of its own.
        down = f"({selector(UP, {MODEL: build.model, SINK: LABELS_SINK})} == 0)"
        old = f"\n  ({old})\n  unless ignoring ({SINK})\n  {down}\n"
    slos = tuple(slo.name for slo in build.file.spec.slos if rests_on_labels(slo))
    said = f"Fires where no label of the last {demand.after} has come, in one replica or more."
    if slos:
        those = f"{'SLO' if len(slos) == 1 else 'SLOs'} {', '.join(slos)}"
        said += f" Alerts of {those} end meanwhile, and cannot fire: that is no sign that the model is well."
    rule = build.alert(
        LABELS_STALE,
        LABELS_SLO,
        f"max by ({MODEL}) ({old}) > {number(demand.after.seconds)}",
        demand,
        Text.of(f"{build.model}: the newest label is ", Value(DURATION), " old"),
        Text.of(said),
    )
    return Companion(demand, rule, slos=slos, sinks=needed)
