"""A threshold below the noise at the expected traffic."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mlslo.catalogue import METRICS, Metric
from mlslo.yamlfile import Duration
from rulegen.conditions import Condition
from rulegen.lint import noise
from rulegen.lint.finding import Finding, Location, Run
from rulegen.lint.reference_size import BINS, Size, size
from rulegen.promql.expressions import exact, number
from rulegen.sli.gauge import Gauge

_OF_NUMBERS = ("ks_statistic", "wasserstein_distance", "mean_shift_sigmas")
_PREFIXES = ("ml_feature_", "ml_prediction_")


@dataclass(frozen=True)
class _Lowest:
    """The lowest value of a gauge that an alert fires at, and the place of that limit."""

    limit: float
    location: Location


def find(run: Run) -> Iterator[Finding]:
    for file, at, slo in run.slos:
        expected, gauge = file.spec.expected, slo.sli.gauge
        if expected is None or gauge is None or gauge.window is None:
            continue
        metric, rate = METRICS[gauge.metric], expected.predictionsPerSecond
        against = size(run.monitor(file.model), gauge.reference, rate)
        for place, alert in slo.placed_alerts(at):
            lowest = _lowest(alert.when, (*place, "when"))
            part: noise.Part = "top" if alert.when.series is None else "middle"
            found = _level(metric, gauge, gauge.window, rate, against, part)
            if lowest is not None and found is not None and lowest.limit < found[0]:
                message = _message(metric, gauge.window, rate, against, part, *found)
                yield Finding(file.document, lowest.location, message)


def _message(
    metric: Metric, window: Duration, rate: float, against: Size, part: noise.Part, level: float, whose: str
) -> str:
    rows = f"{math.floor(rate * window.seconds)} rows at {number(exact(rate))} predictions per second"
    past = "any reference" if math.isinf(against.rows) else f"a reference of {against.rows:.0f}"
    often = "1 of 100 windows" if part == "top" else "half of the windows"
    what = f"{metric.name}{whose} is above {level:.2g} in {often}"
    return f"without any drift {what}: {window} has {rows}, against {past}"


def _lowest(condition: Condition, at: Location) -> _Lowest | None:
    """Return the value at which the condition begins to hold as the gauge rises; None where that is no constant."""
    if condition.key in ("above", "atLeast"):
        return _Lowest(getattr(condition, condition.key), (*at, condition.key))
    found = [_lowest(child, place) for place, child in condition.parts(at)]
    limits = [child for child in found if child is not None]
    if not limits or (condition.all and len(limits) < len(found)):
        return None
    choose = max if condition.all else min
    return choose(limits, key=lambda lowest: lowest.limit)


def _level(
    metric: Metric, gauge: Gauge, window: Duration, rate: float, against: Size, part: noise.Part
) -> tuple[float, str] | None:
    """The noise level of a gauge at ``rate`` predictions per second, and of which feature it is.

    A segment has fewer rows than all traffic, so that its noise is higher still.
    """
    prefix = next((prefix for prefix in _PREFIXES if metric.name.startswith(prefix)), None)
    if prefix is None or "reference" not in metric.labels:
        return None
    statistic, rows = metric.name.removeprefix(prefix), rate * window.seconds
    if rows < 1:
        return None
    found = [
        (level, whose)
        for whose, bins in _bins(prefix, statistic, gauge, against).items()
        if (level := noise.level(statistic, rows, against.rows, bins, part)) is not None
    ]
    return max(found, default=None)


def _bins(prefix: str, statistic: str, gauge: Gauge, against: Size) -> dict[str, int]:
    """Bins by whose they are, as a text; a number's where nothing is known of the features."""
    if prefix == "ml_prediction_":
        return {"": against.score}
    numbers = {} if statistic == "cramers_v" else against.numeric
    categories = {} if statistic in _OF_NUMBERS else against.categorical
    features = {**numbers, **categories}
    chosen = gauge.labels.get("feature")
    if chosen is not None:
        return {"": features[chosen]} if chosen in features else {}
    if features:
        return {f" of {name}": bins for name, bins in features.items()}
    return {} if statistic == "cramers_v" else {"": BINS}
