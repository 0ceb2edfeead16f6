"""An alert about what all SLOs of a model rest on."""

from __future__ import annotations

from dataclasses import dataclass

from rulegen.promql.rules import AlertRule, Record
from rulegen.slo.companions.demand import Demand

# The layer of these alerts. Their SLO has a name that no user's can have: where one silences the less
# urgent alerts of its SLO, it must not silence those of another cause.
META = "meta"


@dataclass(frozen=True)
class Companion:
    """One alert of a model. ``slos``: those that rest on what it is about, where not all do.

    ``sinks``: it is quiet about a replica that cannot read these.
    """

    demand: Demand
    rule: AlertRule
    records: tuple[Record, ...] = ()
    slos: tuple[str, ...] = ()
    sinks: tuple[str, ...] = ()
