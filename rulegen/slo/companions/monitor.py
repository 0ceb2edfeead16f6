"""The monitor itself has stopped, or is gone."""

from __future__ import annotations

from rulegen.promql.annotations import DURATION, Text, Value
from rulegen.promql.conventions import MODEL, MONITOR_ABSENT, MONITOR_SLO, MONITOR_STALE
from rulegen.promql.expressions import number, selector
from rulegen.slo.companions.companion import Builder, Companion, Demand

LAST_SUCCESS = "ml_monitor_last_success_timestamp_seconds"


def age(model: str) -> str:
    """PromQL: seconds since the last cycle that succeeded, of the replica where it is longest ago."""
    return f"time() - min by ({MODEL}) ({selector(LAST_SUCCESS, {MODEL: model})})"


def stale(build: Builder, demand: Demand) -> Companion:
    """No cycle has succeeded for some time, in one replica or more."""
    expression = f"{age(build.model)} > {number(demand.after.seconds)}"
    summary = Text.of(f"{build.model}: the last cycle of the monitor succeeded ", Value(DURATION), " ago")
    effect = "Its gauges keep their last values, so that no other alert of the model can be trusted."
    description = Text.of(f"Fires after {demand.after} without a cycle that succeeds. {effect}")
    return Companion(
        demand, build.alert(MONITOR_STALE, MONITOR_SLO, expression, demand, summary, description)
    )


def absent(build: Builder, demand: Demand) -> Companion:
    """Nothing that is scraped has this model."""
    expression = f"absent({selector(LAST_SUCCESS, {MODEL: build.model})})"
    summary = Text.of(f"{build.model}: nothing has been heard of the monitor for {demand.after}")
    description = Text.of("No exporter with this model is scraped: no alert of the model can fire.")
    rule = build.alert(MONITOR_ABSENT, MONITOR_SLO, expression, demand, summary, description, lasting=True)
    return Companion(demand, rule)
