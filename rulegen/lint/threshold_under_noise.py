"""A threshold below the noise at the expected traffic."""

import math
from collections.abc import Iterator

from mlslo.catalogue import METRICS
from mlslo.monitor import Monitor
from mlslo.yamlfile import Duration, Location
from rulegen.conditions import Condition
from rulegen.lint import noise
from rulegen.lint.finding import Finding, Run
from rulegen.promql.expressions import exact, number
from rulegen.sli.gauge import Gauge

# The value at which a condition begins to hold as the gauge rises, and the place of that limit.
Lowest = tuple[float, Location]

_PREFIXES = ("ml_feature_", "ml_prediction_")
_MONTH = Duration("30d")


def find(run: Run) -> Iterator[Finding]:
    for file, at, slo in run.slos:
        expected, gauge, monitor = file.spec.expected, slo.sli.gauge, run.monitor(file.model)
        if expected is None or gauge is None or gauge.window is None or not _is_drift(gauge, monitor):
            continue
        rate = expected.predictionsPerSecond
        # A segment has fewer rows than all traffic, so that its noise is higher still.
        rows, reference_rows = rate * gauge.window.seconds, rate * _reference_seconds(gauge, monitor)
        against = "any reference" if math.isinf(reference_rows) else f"a reference of {reference_rows:.0f}"
        statistic = gauge.metric.removeprefix(_PREFIXES[0]).removeprefix(_PREFIXES[1])
        for place, alert in slo.placed_alerts(at):
            part: noise.Part = "top" if alert.when.series is None else "middle"
            lowest = _lowest(alert.when, (*place, "when"))
            level = noise.level(statistic, rows, reference_rows, part) if rows >= 1 else None
            if lowest is not None and level is not None and lowest[0] < level:
                often = "1 of 100 windows" if part == "top" else "half of the windows"
                message = (
                    f"without any drift {gauge.metric} is above {level:.2g} in {often}: {gauge.window} has "
                    f"{math.floor(rows)} rows at {number(exact(rate))} predictions per second, against {against}"
                )
                yield Finding(file.document, lowest[1], message)


def _is_drift(gauge: Gauge, monitor: Monitor | None) -> bool:
    """Return whether it is a distance from a reference, and not of one feature that has other bins than a number."""
    feature = gauge.labels.get("feature")
    declared = monitor.spec.features.get(feature) if monitor is not None and feature is not None else None
    is_numeric = feature is None or (declared is not None and declared.type == "numeric")
    return gauge.metric.startswith(_PREFIXES) and "reference" in METRICS[gauge.metric].labels and is_numeric


def _reference_seconds(gauge: Gauge, monitor: Monitor | None) -> float:
    """Return how long the reference is a past of the model's traffic; infinite where it is something else."""
    references = monitor.spec.references if monitor is not None else {}
    reference = references.get(gauge.reference or "")
    length = reference and (reference.sliding or reference.first or (_MONTH if reference.calendar else None))
    return length.seconds if length else math.inf


def _lowest(condition: Condition, at: Location) -> Lowest | None:
    """Return where the condition begins to hold; None where that is no constant."""
    if condition.key in ("above", "atLeast"):
        return getattr(condition, condition.key), (*at, condition.key)
    found = [_lowest(child, place) for place, child in condition.parts(at)]
    limits = [child for child in found if child is not None]
    if not limits or (condition.all and len(limits) < len(found)):
        return None
    return (max if condition.all else min)(limits, key=lambda lowest: lowest[0])
