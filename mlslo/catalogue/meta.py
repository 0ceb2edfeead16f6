"""The exporter's own health, and what it left out."""

from __future__ import annotations

from collections.abc import Iterable

from mlslo.catalogue.metric import SCOPE, SINK, TRAFFIC, WINDOW, Better, Layer, Metric, Type, counter, gauge


def metrics() -> Iterable[Metric]:
    """The layer's metrics, in the order of the documentation."""
    layer = Layer.META
    low, high, neither = Better.LOWER, Better.HIGHER, Better.NEITHER
    yield gauge(
        layer,
        "ml_monitor_last_success_timestamp_seconds",
        ("model",),
        "Unix seconds",
        high,
        "When the last cycle that succeeded ended.",
    )
    yield gauge(
        layer,
        "ml_monitor_cycle_duration_seconds",
        ("model",),
        "seconds",
        low,
        "How long the last cycle took.",
    )
    yield gauge(
        layer, "ml_monitor_samples", TRAFFIC, "rows", neither, "Predictions in the window.", additive=True
    )
    yield gauge(
        layer,
        "ml_gauge_withheld",
        (*WINDOW, "gauge", "reason"),
        "series",
        low,
        "Series that were not exported, and why.",
    )
    yield gauge(layer, "ml_sink_up", SINK, "boolean", high, "1 where the last read of the sink succeeded.")
    yield gauge(
        layer,
        "ml_sink_last_event_timestamp_seconds",
        SINK,
        "Unix seconds",
        high,
        "Event time of the newest record read.",
    )
    yield gauge(
        layer,
        "ml_sink_lag_bytes",
        SINK,
        "bytes",
        low,
        "Bytes of the sink that are not read yet.",
        additive=True,
    )
    yield counter(
        layer, "ml_sink_records_total", SINK, "records", neither, "Records read, rejected ones included."
    )
    yield counter(
        layer,
        "ml_sink_rejected_records_total",
        (*SINK, "reason"),
        "records",
        low,
        "Records that could not be used, by reason.",
    )
    yield counter(
        layer,
        "ml_sink_late_records_total",
        SINK,
        "records",
        low,
        "Records that came after a cycle had already measured their time bucket.",
    )
    yield gauge(
        layer,
        "ml_reference_created_timestamp_seconds",
        (*SCOPE, "reference"),
        "Unix seconds",
        high,
        "When the reference's data ended.",
    )
    yield gauge(
        layer,
        "ml_reference_info",
        (*SCOPE, "reference", "hash"),
        "boolean",
        neither,
        "Always 1; the hash names the reference's content.",
    )
    yield gauge(
        layer,
        "ml_features_expected",
        ("model",),
        "features",
        neither,
        "Features that the monitor file and its references name.",
    )
    yield gauge(
        layer,
        "ml_features_monitored",
        WINDOW,
        "features",
        high,
        "Features with values enough in the window to be measured.",
    )
    yield Metric(
        "ml_series_dropped_total",
        Type.COUNTER,
        ("model", "reason"),
        "series",
        layer,
        low,
        "Series left out to keep cardinality bounded.",
        additive=True,
    )
    yield gauge(
        layer,
        "ml_exporter_build_info",
        ("version", "python_version"),
        "boolean",
        neither,
        "Always 1; the exporter's version.",
    )
    yield gauge(
        layer,
        "ml_exporter_config_last_reload_successful",
        (),
        "boolean",
        high,
        "1 where the last load of the monitor files succeeded.",
    )
    yield gauge(
        layer,
        "ml_exporter_config_last_reload_success_timestamp_seconds",
        (),
        "Unix seconds",
        high,
        "When the monitor files were last loaded with success.",
    )
