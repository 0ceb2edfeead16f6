"""Outcome gauges of binary classifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from exporter.measure.gauges import Gauges
from exporter.measure.reasons import Reason
from exporter.measure.window_frame import WindowFrame
from exporter.statistics import confusion, probability, ranking_quality
from exporter.summary.calibration import CALIBRATION_BINS, CalibrationSummary
from exporter.summary.outcomes import OutcomeSummary

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
    "ml_calibration_max_error": probability.maximum_calibration_error,
}
BIN_LABELS = tuple(f"{upper / CALIBRATION_BINS:.3f}" for upper in range(1, CALIBRATION_BINS + 1))
"""The upper end of each calibration bin."""


def measure(frame: WindowFrame, gauges: Gauges, *, classes: tuple[str, ...], has_score: bool) -> None:
    """Every metric rests on the labelled predictions of the window.

    ``classes``: names of the negative and the positive class.
    """
    outcomes: OutcomeSummary = frame.outcome["outcomes"]
    enough = frame.enough(float(outcomes.labelled))
    gauges.set_if(enough, "ml_label_positive_ratio", confusion.positive_ratio(outcomes), **frame.labels)
    _metrics(frame, gauges, _OF_CLASSES, outcomes, float(outcomes.classified))
    _confusion(frame, gauges, outcomes, classes)
    if has_score:
        _metrics(frame, gauges, _OF_SCORES, outcomes, float(outcomes.scored))
        reliability(frame, gauges, outcomes)


def reliability(frame: WindowFrame, gauges: Gauges, outcomes: CalibrationSummary) -> None:
    """A bin without rows has no series: there is nothing that could be computed."""
    names = ("ml_calibration_bin_confidence", "ml_calibration_bin_observed_ratio")
    for name, values in zip(names, probability.reliability(outcomes), strict=True):
        if not frame.enough(float(outcomes.scored)):
            gauges.withhold(name, Reason.TOO_FEW_SAMPLES, **frame.labels)
            continue
        for label, value in zip(BIN_LABELS, values, strict=True):
            if not np.isnan(value):
                gauges.set(name, float(value), **frame.labels, bin=label)


def _confusion(
    frame: WindowFrame, gauges: Gauges, outcomes: OutcomeSummary, classes: tuple[str, ...]
) -> None:
    enough, weight = frame.enough(float(outcomes.classified)), float(outcomes.confusion.sum())
    for actual, actual_name in enumerate(classes):
        for predicted, predicted_name in enumerate(classes):
            ratio = float(outcomes.confusion[actual, predicted]) / weight if weight else None
            labels = {"actual": actual_name, "predicted": predicted_name}
            gauges.set_if(enough, "ml_model_confusion_ratio", ratio, **frame.labels, **labels)


def _metrics(
    frame: WindowFrame,
    gauges: Gauges,
    metrics: Mapping[str, Callable[[OutcomeSummary], float | None]],
    outcomes: OutcomeSummary,
    rows: float,
) -> None:
    enough = frame.enough(rows)
    for name, metric in metrics.items():
        gauges.set_if(enough, name, metric(outcomes) if enough else None, **frame.labels)
