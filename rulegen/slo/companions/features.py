"""Too many features have too few values to be measured."""

from __future__ import annotations

from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import PERCENTAGE, Label, Members, Text, Value
from rulegen.promql.conventions import FEATURES_SLO, FEATURES_UNMONITORED, MODEL
from rulegen.promql.expressions import by, exact, number, selector
from rulegen.slo.companions.companion import Builder, Companion, Demand

MONITORED, EXPECTED = "ml_features_monitored", "ml_features_expected"
MISSING, PREDICTIONS = "ml_feature_missing_ratio", "ml_predictions_total"
VERSION, FEATURE = "version", "feature"
_IN_SERVICE = Duration("1h")


def in_service(interval: Duration) -> Duration:
    """A version that has predicted within this counts: an hour, or four evaluations."""
    return (
        _IN_SERVICE
        if interval.seconds * 4 <= _IN_SERVICE.seconds
        else Duration.of_seconds(interval.seconds * 4)
    )


def share(least: float) -> Decimal:
    """The share of features, 0..1, that may be monitored at most where ``least`` are not."""
    return 1 - exact(least)


def unmonitored(build: Builder, demand: Demand, least: float) -> Companion:
    """A share of ``least``, 0..1, of the features is not measured, in the replica where it is most.

    Windows with too few rows for any feature do not count (the missing ratio is withheld there), so that
    a new version has its time; of the others the one with most features does. A version that no longer
    predicts does not count either: what is left of it in a window gets less and less.
    """
    own = {MODEL: build.model}
    missing = selector(MISSING, {**own, "segment": "", "segment_value": ""})
    enough = f"{selector(MONITORED, own)} and ignoring ({FEATURE}) {missing}"
    of_replica = f"max without (window) ({enough})\n  / ignoring ({VERSION}) group_left ()\n  {selector(EXPECTED, own)}"
    predicts = f"sum {by((MODEL, VERSION))} (increase({selector(PREDICTIONS, own)}[{in_service(build.interval)}])) > 0"
    expression = (
        f"min {by((MODEL, VERSION))} (\n  {of_replica}\n) <= {number(share(least))}\n"
        f"and on ({MODEL}, {VERSION})\n{predicts}"
    )
    mostly = f"max {by((VERSION, FEATURE))} ({missing}) > 0.5"
    rule = build.alert(
        FEATURES_UNMONITORED,
        FEATURES_SLO,
        expression,
        demand,
        Text.of(
            f"{build.model}: only ",
            Value(PERCENTAGE),
            " of the features are measured (version ",
            Label(VERSION),
            ")",
        ),
        Text.of(
            f"Fires after {demand.after} of it. The others have too few values, or are of a type that is "
            "not known: nothing is told of their drift. Missing in more than half of the rows:",
            Members(mostly, (FEATURE,), (VERSION,), PERCENTAGE, " none"),
            ".",
        ),
        lasting=True,
        series_labels=(VERSION,),
    )
    return Companion(demand, rule)
