"""Outcome gauges: how right the model was, and how much of the truth has come."""

from __future__ import annotations

from collections.abc import Callable

from exporter.measure.frame import WindowFrame
from exporter.measure.gauges import Gauges
from exporter.statistics import confusion, probability, ranking_quality
from exporter.statistics.quantile import duration_quantile
from exporter.summary.outcomes import OutcomeSummary

DELAY_QUANTILES = ("0.5", "0.9", "0.99")

_OF_CLASSES: dict[str, Callable[[OutcomeSummary], float | None]] = {
    "ml_model_accuracy": confusion.accuracy,
    "ml_model_precision": confusion.precision,
    "ml_model_recall": confusion.recall,
    "ml_model_f1": confusion.f1,
}
_OF_SCORES: dict[str, Callable[[OutcomeSummary], float | None]] = {
    "ml_model_auc_roc": ranking_quality.auc_roc,
    "ml_model_auc_pr": ranking_quality.average_precision,
    "ml_model_log_loss": probability.log_loss,
    "ml_model_brier_score": probability.brier_score,
    "ml_calibration_error": probability.expected_calibration_error,
}


def measure(frame: WindowFrame, gauges: Gauges, *, has_score: bool, has_delay: bool) -> None:
    """Binary tasks; every metric rests on the labelled predictions of the window."""
    outcomes: OutcomeSummary = frame.outcome["outcomes"]
    _metrics(frame, gauges, _OF_CLASSES, outcomes, float(outcomes.confusion.sum()))
    if has_score:
        _metrics(frame, gauges, _OF_SCORES, outcomes, float(outcomes.scored))
    answered = float(frame.traffic["traffic"].answered)
    if frame.enough(answered):
        gauges.set("ml_label_coverage_ratio", min(1.0, float(outcomes.labelled) / answered), **frame.labels)
    else:
        gauges.withhold("ml_label_coverage_ratio", "too_few_samples", **frame.labels)
    if has_delay:
        delay = frame.outcome["delay"]
        for quantile in DELAY_QUANTILES:
            labels = {**frame.labels, "quantile": quantile}
            if frame.enough(delay.present):
                gauges.set("ml_label_delay_seconds", duration_quantile(delay, float(quantile)), **labels)
            else:
                gauges.withhold("ml_label_delay_seconds", "too_few_samples", **labels)


def _metrics(
    frame: WindowFrame,
    gauges: Gauges,
    metrics: dict[str, Callable[[OutcomeSummary], float | None]],
    outcomes: OutcomeSummary,
    rows: float,
) -> None:
    for name, metric in metrics.items():
        if frame.enough(rows):
            gauges.set(name, metric(outcomes), **frame.labels)
        else:
            gauges.withhold(name, "too_few_samples", **frame.labels)
