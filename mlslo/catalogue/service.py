"""Is it answering, how fast, how often wrong in the HTTP sense."""

from __future__ import annotations

from collections.abc import Iterable

from mlslo.catalogue.metric import SCOPE, TRAFFIC, Better, Layer, Metric, Type, counter, gauge, quantiles


def metrics() -> Iterable[Metric]:
    """The layer's metrics, in the order of the documentation."""
    layer = Layer.SERVICE
    yield counter(
        layer,
        "ml_predictions_total",
        SCOPE,
        "predictions",
        Better.NEITHER,
        "Predictions in the log, errors included.",
    )
    yield counter(
        layer,
        "ml_prediction_errors_total",
        (*SCOPE, "code"),
        "predictions",
        Better.LOWER,
        "Predictions whose status is 400 or above.",
    )
    yield Metric(
        "ml_prediction_latency_seconds",
        Type.HISTOGRAM,
        SCOPE,
        "seconds",
        layer,
        Better.LOWER,
        "Time to answer, as logged; buckets from latencyBuckets.",
        additive=True,
    )
    yield quantiles(
        layer,
        "ml_prediction_latency_quantile_seconds",
        TRAFFIC,
        "seconds",
        Better.LOWER,
        "Latency quantile over the window, within 1 % of the exact one.",
    )
    yield gauge(
        layer,
        "ml_predictions_per_second",
        TRAFFIC,
        "predictions per second",
        Better.NEITHER,
        "Predictions in the window over its length; 0 where a readable log is silent.",
        additive=True,
    )
    yield gauge(
        layer,
        "ml_prediction_error_ratio",
        TRAFFIC,
        "ratio",
        Better.LOWER,
        "Share of the window's predictions whose status is 400 or above.",
    )
