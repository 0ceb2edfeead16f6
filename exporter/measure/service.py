"""Service gauges: rate, errors, latency."""

from __future__ import annotations

from exporter.measure.gauges import Gauges
from exporter.measure.reasons import Reason
from exporter.measure.window_frame import WindowFrame
from exporter.statistics.quantile import duration_quantile

QUANTILES = ("0.5", "0.9", "0.95", "0.99")


def measure(
    frame: WindowFrame, gauges: Gauges, *, sink_up: bool, has_status: bool, has_latency: bool
) -> None:
    """A rate of zero is a value where the log is readable; ratios need enough rows."""
    traffic, latency = frame.traffic["traffic"], frame.traffic["latency"]
    if sink_up or traffic.rows:
        gauges.set("ml_predictions_per_second", float(traffic.rows) / frame.seconds, **frame.labels)
    else:
        gauges.withhold("ml_predictions_per_second", Reason.SINK_DOWN, **frame.labels)
    if has_status:
        name = "ml_prediction_error_ratio"
        if frame.enough(float(traffic.graded)):
            gauges.set(name, float(traffic.errors / traffic.graded), **frame.labels)
        else:
            gauges.withhold(name, Reason.TOO_FEW_SAMPLES, **frame.labels)
    if has_latency:
        for quantile in QUANTILES:
            name = "ml_prediction_latency_quantile_seconds"
            labels = {**frame.labels, "quantile": quantile}
            if frame.enough(latency.present):
                gauges.set(name, duration_quantile(latency, float(quantile)), **labels)
            else:
                gauges.withhold(name, Reason.TOO_FEW_SAMPLES, **labels)
