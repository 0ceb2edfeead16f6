"""What the parts of an SLO follow from, each as one text, whose hash is calculated once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rulegen.slo.plan import SloPlan

_SLI = ("name", "layer", "sli", "noData", "labelsStale")


class SloKeys(NamedTuple):
    """``measured``: what it measures and promises, its alerts apart; ``conditions``: that and what they ask.

    ``alerts``: that and one of them, its siblings apart. ``sli``: what is measured, and what is told where that is
    missing.
    """

    measured: str
    conditions: str
    alerts: tuple[str, ...]
    sli: str


def slo_keys(raw: Mapping[str, Any], slo: SloPlan) -> SloKeys:
    """``raw``: the SLO as it stands in a file."""
    given = raw.get("alerts", ())
    # How the replicas of a gauge are aggregated may follow from the alerts on it.
    aggregation = slo.series.aggregation if slo.series is not None else None
    measured = repr(({key: value for key, value in raw.items() if key != "alerts"}, aggregation))
    return SloKeys(
        measured,
        repr((measured, [alert["when"] for alert in given])),
        tuple(repr((measured, alert)) for alert in given),
        repr([*(raw.get(key) for key in _SLI), slo.companion and slo.companion.record]),
    )
