"""The monitor itself has stopped, or is gone."""

from __future__ import annotations

from rulegen.promql.annotations import DURATION, Text, Value
from rulegen.promql.conventions import MODEL, MONITOR_ABSENT, MONITOR_SLO, MONITOR_STALE
from rulegen.promql.expressions import number, selector
from rulegen.promql.rules import AlertRule
from rulegen.slo.alerts import annotation_texts, static_labels
from rulegen.slo.companions.companion import META, Companion
from rulegen.slo.companions.demand import Demand
from rulegen.spec.model_slo import ModelSlo
from rulegen.spec.routing import Routing

LAST_SUCCESS = "ml_monitor_last_success_timestamp_seconds"


def age(model: str) -> str:
    """PromQL: seconds since the last cycle that succeeded, of the replica where it is longest ago."""
    return f"time() - min by ({MODEL}) ({selector(LAST_SUCCESS, {MODEL: model})})"


def stale(file: ModelSlo, routing: Routing, demand: Demand) -> Companion:
    """No cycle has succeeded for some time, in one replica or more."""
    effect = "Its gauges keep their last values, so that no other alert of the model can be trusted."
    rule = AlertRule(
        MONITOR_STALE,
        f"{age(file.model)} > {number(demand.after.seconds)}",
        static_labels(file, routing, MONITOR_SLO, META, demand.tier),
        annotation_texts(
            file,
            Text.of(f"{file.model}: the last cycle of the monitor succeeded ", Value(DURATION), " ago"),
            Text.of(f"Fires after {demand.after} without a cycle that succeeds. {effect}"),
            {},
        ),
    )
    return Companion(demand, rule)


def absent(file: ModelSlo, routing: Routing, demand: Demand) -> Companion:
    """Nothing that is scraped has this model."""
    rule = AlertRule(
        MONITOR_ABSENT,
        f"absent({selector(LAST_SUCCESS, {MODEL: file.model})})",
        static_labels(file, routing, MONITOR_SLO, META, demand.tier),
        annotation_texts(
            file,
            Text.of(f"{file.model}: nothing has been heard of the monitor for {demand.after}"),
            Text.of("No exporter with this model is scraped: no alert of the model can fire."),
            {},
        ),
        demand.after,
    )
    return Companion(demand, rule)
