"""Outcome gauges: how right the model was, and how much of the truth has come."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from exporter.measure.frame import WindowFrame
from exporter.measure.gauges import Gauges
from exporter.statistics import confusion, probability, ranking_quality
from exporter.statistics.quantile import duration_quantile
from exporter.summary.outcomes import CALIBRATION_BINS, OutcomeSummary

DELAY_QUANTILES = ("0.5", "0.9", "0.99")

_OF_CLASSES: dict[str, Callable[[OutcomeSummary], float | None]] = {
    "ml_model_accuracy": confusion.accuracy,
    "ml_model_precision": confusion.precision,
    "ml_model_recall": confusion.recall,
    "ml_model_f1": confusion.f1,
    "ml_label_positive_ratio": confusion.positive_ratio,
}
_OF_SCORES: dict[str, Callable[[OutcomeSummary], float | None]] = {
    "ml_model_auc_roc": ranking_quality.auc_roc,
    "ml_model_auc_pr": ranking_quality.average_precision,
    "ml_model_log_loss": probability.log_loss,
    "ml_model_brier_score": probability.brier_score,
    "ml_calibration_error": probability.expected_calibration_error,
    "ml_calibration_max_error": probability.maximum_calibration_error,
}
BIN_LABELS = tuple(f"{upper / CALIBRATION_BINS:.3f}" for upper in range(1, CALIBRATION_BINS + 1))
"""The upper end of each calibration bin."""


def measure(
    frame: WindowFrame, gauges: Gauges, *, classes: tuple[str, str], has_score: bool, has_delay: bool
) -> None:
    """Binary tasks; every metric rests on the labelled predictions of the window.

    ``classes``: names of the negative and the positive class.
    """
    outcomes: OutcomeSummary = frame.outcome["outcomes"]
    _metrics(frame, gauges, _OF_CLASSES, outcomes, float(outcomes.confusion.sum()))
    _confusion(frame, gauges, outcomes, classes)
    if has_score:
        _metrics(frame, gauges, _OF_SCORES, outcomes, float(outcomes.scored))
        _reliability(frame, gauges, outcomes)
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


def _confusion(
    frame: WindowFrame, gauges: Gauges, outcomes: OutcomeSummary, classes: tuple[str, str]
) -> None:
    rows = float(outcomes.confusion.sum())
    for actual, actual_name in enumerate(classes):
        for predicted, predicted_name in enumerate(classes):
            name, labels = "ml_model_confusion_ratio", {"actual": actual_name, "predicted": predicted_name}
            if frame.enough(rows):
                gauges.set(
                    name, float(outcomes.confusion[actual, predicted]) / rows, **frame.labels, **labels
                )
            else:
                gauges.withhold(name, "too_few_samples", **frame.labels, **labels)


def _reliability(frame: WindowFrame, gauges: Gauges, outcomes: OutcomeSummary) -> None:
    """A bin without rows has no series: there is nothing that could be computed."""
    names = ("ml_calibration_bin_confidence", "ml_calibration_bin_observed_ratio")
    for name, values in zip(names, probability.reliability(outcomes), strict=True):
        if not frame.enough(float(outcomes.scored)):
            gauges.withhold(name, "too_few_samples", **frame.labels)
            continue
        for label, value in zip(BIN_LABELS, values, strict=True):
            if not np.isnan(value):
                gauges.set(name, float(value), **frame.labels, bin=label)


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
