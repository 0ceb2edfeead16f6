"""Labels have stopped coming.

Without new labels the exporter withholds quality gauges, and alerts on them end as if the model were
well again.
"""

from __future__ import annotations

from rulegen.promql.annotations import DURATION, Text, Value
from rulegen.promql.conventions import LABELS_SLO, LABELS_STALE, MODEL
from rulegen.promql.expressions import number, selector
from rulegen.promql.rules import AlertRule
from rulegen.slo.alerts import annotation_texts, static_labels
from rulegen.slo.companions.causes import Causes, rests_on_labels
from rulegen.slo.companions.companion import META, Companion
from rulegen.slo.companions.demand import Demand
from rulegen.slo.companions.monitor import LAST_SUCCESS
from rulegen.slo.companions.sinks import LABELS_SINK, SINK, UP
from rulegen.spec.model_slo import ModelSlo
from rulegen.spec.routing import Routing

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


def stale(file: ModelSlo, routing: Routing, causes: Causes, demand: Demand) -> Companion:
    """The alert, and the SLOs whose alerts end meanwhile."""
    old = age(file.model)
    needed = (LABELS_SINK,) if causes.sink_before(demand) else ()
    if needed:
        # A replica that cannot read its labels is told as such.
        down = f"({selector(UP, {MODEL: file.model, SINK: LABELS_SINK})} == 0)"
        old = f"\n  ({old})\n  unless ignoring ({SINK})\n  {down}\n"
    slos = tuple(slo.name for slo in file.spec.slos if rests_on_labels(slo))
    rule = AlertRule(
        LABELS_STALE,
        f"max by ({MODEL}) ({old}) > {number(demand.after.seconds)}",
        static_labels(file, routing, LABELS_SLO, META, demand.tier),
        annotation_texts(file, _summary(file), _description(demand, slos), {}),
    )
    return Companion(demand, rule, slos=slos, sinks=needed)


def _summary(file: ModelSlo) -> Text:
    return Text.of(f"{file.model}: the newest label is ", Value(DURATION), " old")


def _description(demand: Demand, slos: tuple[str, ...]) -> Text:
    said = f"Fires where no label of the last {demand.after} has come, in one replica or more."
    if not slos:
        return Text.of(said)
    those = f"{'SLO' if len(slos) == 1 else 'SLOs'} {', '.join(slos)}"
    return Text.of(
        f"{said} Alerts of {those} end meanwhile, and cannot fire: that is no sign that the model is well."
    )
