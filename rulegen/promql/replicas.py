"""Aggregation of the values that a model's replicas have of one gauge.

Each replica's sidecar measures what its own replica answered. The labels of the scrape (instance, pod,
job) are aggregated away, or a replica that restarts under a new name would end one alert and begin
another.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from mlslo.catalogue import METRICS, Metric
from rulegen.promql.expressions import Matcher, by, on, selector

Replicas = Literal["worst", "weighted", "sum"]

SAMPLES = METRICS["ml_monitor_samples"]
WEIGHTED = "weighted_avg"

_EXTREMES = ("ml_feature_min", "ml_feature_max", "ml_calibration_max_error")


def default(metric: Metric) -> Replicas:
    """Counts and rates are summed; of anything else the worst replica counts."""
    return "sum" if metric.additive else "worst"


def refusal(metric: Metric, replicas: Replicas) -> str | None:
    """Why replicas cannot be put together so, if they can't."""
    if replicas == "worst":
        return None
    if replicas == "sum":
        said = f"'{metric.name}' is neither a count nor a rate, its sum over replicas says nothing"
        return None if metric.additive else f"{said}; expected worst or weighted"
    because = _no_mean(metric)
    return None if because is None else f"'{metric.name}' has no weighted mean: {because}"


def _no_mean(metric: Metric) -> str | None:
    if metric.additive:
        return "it is a count or a rate, expected sum or worst"
    if metric.unit == "Unix seconds":
        return "it is a moment, expected worst"
    if metric.name in _EXTREMES:
        return "it is an extreme, expected worst"
    if metric.name.endswith("_p_value"):
        return "the mean of p-values is none, expected worst"
    if "quantile" in metric.labels:
        return "the mean of quantiles is none, expected worst"
    if "candidate" in metric.labels:
        return "it is of two versions, expected worst"
    if metric.unit in ("features", "series"):
        return "it is a count, expected worst"
    if "window" not in metric.labels:
        return f"{SAMPLES.name} counts the predictions of a window, and it has none; expected worst"
    return None


def weighted(metric: Metric, matchers: Mapping[str, Matcher], labels: Iterable[str]) -> str:
    """PromQL: the mean over replicas, each weighing as many predictions as it rests on.

    A replica without the gauge (or with NaN) does not count, however many predictions it had.
    """
    gauge = selector(metric.name, matchers)
    chosen = {label: value for label, value in matchers.items() if label in SAMPLES.labels}
    # A gauge that is not split by segments is that of all traffic.
    all_traffic = {} if "segment" in chosen else {"segment": "", "segment_value": ""}
    rows = selector(SAMPLES.name, {**chosen, **all_traffic})
    own = [label for label in metric.labels if label not in SAMPLES.labels]
    # What is left to match by has the labels of the scrape, whatever they are called.
    join = f"ignoring ({', '.join(own)}) group_left () " if own else ""
    grouping = by(labels)
    return (
        f"sum {grouping} (\n  ({gauge} > -Inf) * {join}{rows}\n)\n/\n(\n"
        f"  sum {grouping} (\n    ({gauge} > bool -Inf) * {join}{rows}\n  ) > 0\n)"
    )


def weighted_error(error: Metric, matchers: Mapping[str, Matcher], labels: Iterable[str]) -> str:
    """PromQL: the standard error of ``weighted``, of replicas that err independently; those without one don't count."""
    errors = selector(error.name, matchers)
    rows = selector(SAMPLES.name, weight_matchers(matchers))
    own = [label for label in error.labels if label not in SAMPLES.labels]
    join = f"ignoring ({', '.join(own)}) group_left () " if own else ""
    grouping = by(labels)
    return (
        f"sqrt(\n  sum {grouping} (\n    ({errors} * {join}{rows}) ^ 2\n  )\n)\n/\n(\n"
        f"  sum {grouping} (\n    ({errors} > bool -Inf) * {join}{rows}\n  ) > 0\n)"
    )


def error_of_worst(
    error: Metric,
    matchers: Mapping[str, Matcher],
    metric: Metric,
    metric_matchers: Mapping[str, Matcher],
    labels: Sequence[str],
    recorded: str,
) -> str:
    """PromQL: the standard error of the replica whose ``metric`` is ``recorded``, the worst; the least of several."""
    errors, gauge = selector(error.name, matchers), selector(metric.name, metric_matchers)
    return f"min {by(labels)} (\n  {errors}\n  and\n  ({gauge} == {on(labels)} group_left () {recorded})\n)"


def weight_matchers(matchers: Mapping[str, Matcher]) -> dict[str, Matcher]:
    """Return the matchers of the weights; a gauge that is not split by segments is that of all traffic."""
    chosen = {label: value for label, value in matchers.items() if label in SAMPLES.labels}
    return chosen if "segment" in chosen else {**chosen, "segment": "", "segment_value": ""}
