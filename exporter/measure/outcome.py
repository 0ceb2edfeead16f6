"""Outcome gauges that every task has: how much of the truth has come, how late, and what its lateness does."""

from __future__ import annotations

import numpy as np

from exporter.measure.gauges import Gauges
from exporter.measure.window_frame import WindowFrame
from exporter.statistics.label_delay import quality_by_delay
from exporter.statistics.quantile import duration_quantile
from exporter.summary.composite import Composite

DELAY_QUANTILES = ("0.5", "0.9", "0.99")
DELAY_LABELS = ("1m", "1h", "6h", "1d", "7d", "30d", "+Inf")
"""The upper end of each delay bucket."""


def coverage(traffic: Composite, outcome: Composite) -> float | None:
    """Share of the answered predictions whose label has come; None where nothing was answered."""
    answered = float(traffic["traffic"].answered)
    if not answered:
        return None
    return min(1.0, float(outcome["outcomes"].labelled_weight) / answered)


def measure(frame: WindowFrame, gauges: Gauges, *, has_delay: bool, classes: bool) -> None:
    """Coverage and delays. ``classes``: whether the quality of an answer is that it is right or wrong."""
    answered = float(frame.traffic["traffic"].answered)
    covered = coverage(frame.traffic, frame.outcome)
    gauges.set_if(frame.enough(answered), "ml_label_coverage_ratio", covered, **frame.labels)
    if not has_delay:
        return
    delay = frame.outcome["delay"]
    for quantile in DELAY_QUANTILES:
        value = duration_quantile(delay, float(quantile))
        gauges.set_if(
            frame.enough(delay.present), "ml_label_delay_seconds", value, **frame.labels, quantile=quantile
        )
    if not classes:
        return
    by_delay = frame.outcome["by delay"]
    for label, rows, value in zip(DELAY_LABELS, by_delay.rows, quality_by_delay(by_delay), strict=True):
        # A bucket without rows has no series: there is nothing that could be computed.
        if not np.isnan(value):
            name = "ml_model_accuracy_by_delay"
            gauges.set_if(frame.enough(float(rows)), name, float(value), **frame.labels, delay=label)
