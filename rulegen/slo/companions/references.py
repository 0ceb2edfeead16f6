"""Drift is measured against data of long ago."""

from __future__ import annotations

from rulegen.promql.annotations import DURATION, Label, Text, Value
from rulegen.promql.conventions import MODEL, REFERENCE_OLD, REFERENCES_SLO
from rulegen.promql.expressions import by, number, selector
from rulegen.slo.companions.companion import Builder, Companion, Demand

CREATED = "ml_reference_created_timestamp_seconds"
REFERENCE = "reference"


def old(build: Builder, demand: Demand) -> Companion:
    """The data of a reference ended long ago, in the replica where it is oldest.

    Of a replica's versions the one with the newest data counts: a version that is being retired keeps
    its old reference to the end, and one that has none yet says nothing.
    """
    created = f"max without (version) ({selector(CREATED, {MODEL: build.model})})"
    rule = build.alert(
        REFERENCE_OLD,
        REFERENCES_SLO,
        f"time() - min {by((MODEL, REFERENCE))} ({created}) > {number(demand.after.seconds)}",
        demand,
        Text.of(
            f"{build.model}: the data of reference ", Label(REFERENCE), " ended ", Value(DURATION), " ago"
        ),
        Text.of(
            f"Fires after {demand.after}. Drift from it may only be the time that has passed. A new "
            "reference from recent data that were judged to be good replaces it."
        ),
        series_labels=(REFERENCE,),
    )
    return Companion(demand, rule)
