"""Alerts for when nothing is measured any more: silence must not look like health.

One cause raises one alert: where the whole monitor stopped, its gauges raise none of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

from rulegen.alerts import annotation_texts, static_labels
from rulegen.conventions import MODEL, MONITOR_ABSENT, MONITOR_SLO, MONITOR_STALE, NO_DATA
from rulegen.gauge import GaugeSeries
from rulegen.promql import number, selector
from rulegen.routing import Routing
from rulegen.rules import AlertRule
from rulegen.spec import ModelSlo, NoData, Slo
from rulegen.texts import DURATION, Members, Text, Value

LAST_SUCCESS = "ml_monitor_last_success_timestamp_seconds"
WITHHELD = "ml_gauge_withheld"


@dataclass(frozen=True)
class SloCompanion:
    """The alert that one SLO is not measured. ``record``: the series that is missing."""

    record: str
    monitored: bool
    rule: AlertRule


def age(model: str) -> str:
    """PromQL: seconds since the last cycle that succeeded, of the replica where it is longest ago."""
    return f"time() - min by ({MODEL}) ({selector(LAST_SUCCESS, {MODEL: model})})"


def slo_companion(
    file: ModelSlo, routing: Routing, slo: Slo, record: str, series: GaugeSeries | None, no_data: NoData
) -> SloCompanion:
    """The companion of one SLO. ``series``: the gauge that is measured, if it is one.

    Only the monitor's own measurements wait for the monitor to be alive: where it is not, that is
    the alert. `absent` does not see NaN, so that is left out first.
    """
    recorded = selector(record, file.labels(slo.name))
    monitored = series.of_monitor if series else slo.sli.ratio is None
    expression = f"absent({recorded} == {recorded})"
    if monitored:
        expression += f"\nand on ()\n({age(file.model)} <= {number(no_data.after.seconds)})"
    what = series.title if series else "its error ratio"
    summary = Text.of(f"{file.model} {slo.name}: {what} has not been measured for {no_data.after}")
    said = "While it is missing, no alert of this SLO can fire."
    if series is not None and slo.sli.promql is not None:
        description = Text.of(f"{said} {series.metric.help}")
    elif series is not None:
        chosen = slo.sli.gauge.window if slo.sli.gauge else None
        window = {"window": str(chosen)} if chosen else {}
        withheld = selector(WITHHELD, {MODEL: file.model, **window, "gauge": series.metric.name})
        query = f"sum by (reason) ({withheld}) > 0"
        reasons = Members(query, ("reason",), (), otherwise=" none")
        said += " The monitor itself works. Reasons it gives for withholding the gauge:"
        description = Text.of(said, reasons, ".")
    else:
        description = Text.of(f"{said} No events of it are counted.")
    return SloCompanion(
        record,
        monitored,
        AlertRule(
            NO_DATA,
            expression,
            static_labels(file, routing, slo.name, slo.layer, no_data.tier),
            annotation_texts(file, summary, description, {}),
            no_data.after,
        ),
    )


def monitor_companions(file: ModelSlo, routing: Routing, no_data: NoData) -> list[AlertRule]:
    """The alerts that the model's monitor stopped, or is gone."""
    labels = static_labels(file, routing, MONITOR_SLO, "meta", no_data.tier)
    effect = "Its gauges keep their last values, so that no other alert of the model can be trusted."
    stale = AlertRule(
        MONITOR_STALE,
        f"{age(file.model)} > {number(no_data.after.seconds)}",
        labels,
        annotation_texts(
            file,
            Text.of(f"{file.model}: the last cycle of the monitor succeeded ", Value(DURATION), " ago"),
            Text.of(f"Fires after {no_data.after} without a cycle that succeeds. {effect}"),
            {},
        ),
    )
    gone = AlertRule(
        MONITOR_ABSENT,
        f"absent({selector(LAST_SUCCESS, {MODEL: file.model})})",
        labels,
        annotation_texts(
            file,
            Text.of(f"{file.model}: nothing has been heard of the monitor for {no_data.after}"),
            Text.of("No exporter with this model is scraped: no alert of the model can fire."),
            {},
        ),
        no_data.after,
    )
    return [stale, gone]
