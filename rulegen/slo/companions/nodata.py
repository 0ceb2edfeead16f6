"""An SLO is not measured any more, and no shared dependency is why."""

from __future__ import annotations

from dataclasses import dataclass

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Members, Text
from rulegen.promql.conventions import MODEL, NO_DATA
from rulegen.promql.expressions import Given, number, selector
from rulegen.promql.rules import AlertRule
from rulegen.sli.gauge import GaugeSeries
from rulegen.slo.alerts import AlertBuilder
from rulegen.slo.companions import shared
from rulegen.slo.companions.dependencies import (
    Demand,
    Dependencies,
    is_monitored,
    no_data,
    rests_on_labels,
    soonest,
)
from rulegen.spec.model_slo import Slo

WITHHELD = "ml_gauge_withheld"


@dataclass(frozen=True)
class SloCompanion:
    """The alert that one SLO is not measured. ``record``: the series that is missing.

    ``monitored``: quiet where the monitor stopped. ``labels``: how old labels must be for it to be quiet,
    ``sinks``: which sinks must be readable; None, and empty: whatever they are. ``groups``: labels that it must have.
    """

    record: str
    demand: Demand
    rule: AlertRule
    monitored: bool = False
    labels: Duration | None = None
    sinks: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def slo_companion(
    build: AlertBuilder, slo: Slo, record: str, series: GaugeSeries | None, dependencies: Dependencies
) -> SloCompanion | None:
    """The companion of one SLO. ``series``: the gauge that is measured, if it is one.

    Only the monitor's own measurements wait for the monitor to be alive, for labels and for sinks: where
    those are the cause, that is the alert, if it comes as soon and is as urgent. `absent` does not see NaN, so that is
    left out first.
    """
    file = build.file
    demand = no_data(file, slo)
    if demand is None:
        return None
    # A label that no series has is a mistake: all events would be those of one nameless group.
    recorded = selector(record, {**file.labels(slo.name), **dict.fromkeys(slo.groupBy, Given.ANY)})
    expression = f"absent({recorded} >= -Inf)"
    monitored = is_monitored(slo)
    stale: Duration | None = None
    needed: tuple[str, ...] = ()
    if monitored:
        expression += f"\nand on ()\n({shared.since_success(file.model)} <= {number(demand.after.seconds)})"
        labelled = rests_on_labels(slo)
        stale = soonest(dependencies.labels, demand.tier) if labelled else None
        if stale is not None:
            expression += f"\nunless on ()\n({shared.labels_stale_everywhere(file.model, stale.seconds)})"
        if dependencies.sink_before(demand):
            needed = (shared.PREDICTIONS_SINK, *((shared.LABELS_SINK,) if labelled else ()))
            expression += f"\nunless on ()\n({shared.sinks_down_everywhere(file.model, labels=labelled)})"
    what = series.title if series else "its error ratio"
    summary = Text.of(f"{file.model} {slo.name}: {what} has not been measured for {demand.after}")
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
        of_groups = f" with the label {' and '.join(slo.groupBy)}" if slo.groupBy else ""
        description = Text.of(f"{said} No events of it{of_groups} are counted.")
    rule = build.alert(
        NO_DATA,
        slo.name,
        slo.layer,
        demand.tier,
        expression,
        summary,
        description,
        for_=demand.after,
        groups=tuple(slo.groupBy),
    )
    return SloCompanion(record, demand, rule, monitored, stale, needed, tuple(slo.groupBy))
