"""The panel of a gauge: its series, what its conditions compare it with, and their limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rulegen.dashboards.timeseries import target, timeseries
from rulegen.slo.plan import SloPlan

_UNITS = {"seconds": "s", "Unix seconds": "dateTimeAsIso", "bytes": "bytes"}


def panels(slo: SloPlan) -> Iterator[dict[str, Any]]:
    """The panel of what ``slo`` measures, where that is a gauge."""
    series = slo.series
    if series is None:
        return
    versions = [label for label in series.varying if label == "version"]
    legend = " ".join(f"{{{{{label}}}}}" for label in (*series.entities, *versions))
    targets = [target(series.expression, legend or series.title)]
    legs = [leg for alert in slo.gauge_alerts for leg in alert.kind.legs()]
    for line in dict.fromkeys(line for leg in legs for line in leg.lines()):
        targets.append(target(line.expression, f"{line.name} {legend}".strip()))
    limits: list[tuple[float, str]] = [limit for leg in legs for limit in leg.limits()]
    where = ", ".join(f"{label} {value}" for label, value in series.fixed.items() if label != "model")
    title = f"{series.slo}: {series.title}" + (f" ({where})" if where else "")
    # An AUC of 0.7 is not 70 % of anything.
    is_share = series.metric.name.endswith("_ratio")
    unit = "percentunit" if is_share else _UNITS.get(series.metric.unit, "none")
    panel = timeseries(title, targets, unit, limits)
    yield {**panel, "description": series.metric.help}
