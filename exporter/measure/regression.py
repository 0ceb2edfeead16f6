"""Outcome gauges of regression."""

from __future__ import annotations

from collections.abc import Callable

from exporter.measure.gauges import Gauges
from exporter.measure.window_frame import WindowFrame
from exporter.statistics import regression
from exporter.summary.regression import RegressionOutcomeSummary

_METRICS: dict[str, Callable[[RegressionOutcomeSummary], float | None]] = {
    "ml_model_mae": regression.mean_absolute_error,
    "ml_model_rmse": regression.root_mean_squared_error,
    "ml_model_mape": regression.mean_absolute_percentage_error,
    "ml_model_r2": regression.r_squared,
    "ml_model_mean_error": regression.mean_error,
}


def measure(frame: WindowFrame, gauges: Gauges) -> None:
    """Every metric rests on the labelled predictions of the window; MAPE on those whose label is not 0."""
    outcomes: RegressionOutcomeSummary = frame.outcome["outcomes"]
    for name, metric in _METRICS.items():
        rows = outcomes.scored - outcomes.zero_labels if name == "ml_model_mape" else outcomes.scored
        enough = frame.enough(float(rows))
        gauges.set_if(enough, name, metric(outcomes) if enough else None, **frame.labels)
