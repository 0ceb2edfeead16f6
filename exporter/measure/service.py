"""Service gauges: rate, errors, latency."""

from __future__ import annotations

from exporter.measure.gauges import Reason, WindowSummaries
from exporter.statistics.quantiles import duration_quantile
from exporter.summary.base import ratio

QUANTILES = ("0.5", "0.9", "0.95", "0.99")


def export(window: WindowSummaries) -> None:
    """Export the rate, of which zero is a value where the log is readable, and ratios of enough rows."""
    traffic, latency = window.traffic["traffic"], window.traffic["latency"]
    fields = window.spec.predictions.fields
    window.set("ml_monitor_samples", float(traffic.rows))
    if window.sink_up or traffic.rows:
        window.set("ml_predictions_per_second", float(traffic.rows) / window.seconds)
    else:
        window.withhold("ml_predictions_per_second", Reason.SINK_DOWN)
    if fields.status is not None:
        window.set("ml_prediction_error_ratio", ratio(traffic.errors, traffic.graded), traffic.graded)
    if fields.latency is not None:
        for quantile in QUANTILES:
            value = duration_quantile(latency, float(quantile))
            name = "ml_prediction_latency_quantile_seconds"
            window.set(name, value, latency.present, quantile=quantile)
