"""Outcome gauges of multiclass classifiers."""

from __future__ import annotations

from collections.abc import Callable

from exporter.measure.binary import reliability
from exporter.measure.gauges import Gauges
from exporter.measure.reasons import Reason
from exporter.measure.window_frame import WindowFrame
from exporter.statistics import multiclass, probability
from exporter.statistics.multiclass import AVERAGES, Average
from exporter.summary.multiclass import MOST_DETAILED, MulticlassOutcomeSummary

Averaged = Callable[[MulticlassOutcomeSummary, Average], float | None]

_OF_CLASSES: dict[str, Averaged] = {
    "ml_model_precision": multiclass.precision,
    "ml_model_recall": multiclass.recall,
    "ml_model_f1": multiclass.f1,
}
_OF_PROBABILITIES: dict[str, Averaged] = {
    "ml_model_auc_roc": multiclass.auc_roc,
    "ml_model_auc_pr": multiclass.average_precision,
}
_OF_SCORES: dict[str, Callable[[MulticlassOutcomeSummary], float | None]] = {
    "ml_model_log_loss": probability.log_loss,
    "ml_model_brier_score": probability.brier_score,
    "ml_calibration_error": probability.expected_calibration_error,
    "ml_calibration_max_error": probability.maximum_calibration_error,
}


def measure(frame: WindowFrame, gauges: Gauges, *, classes: tuple[str, ...], has_score: bool) -> None:
    """Every metric rests on the labelled predictions of the window."""
    outcomes: MulticlassOutcomeSummary = frame.outcome["outcomes"]
    enough = frame.enough(float(outcomes.classified))
    gauges.set_if(enough, "ml_model_accuracy", multiclass.accuracy(outcomes), **frame.labels)
    _averages(frame, gauges, _OF_CLASSES, outcomes, enough)
    _confusion(frame, gauges, outcomes, classes, enough)
    if not has_score:
        return
    enough = frame.enough(float(outcomes.scored))
    detailed = gauges if len(classes) <= MOST_DETAILED else gauges.withholding(Reason.TOO_MANY_CLASSES)
    _averages(frame, detailed, _OF_PROBABILITIES, outcomes, enough)
    for name, metric in _OF_SCORES.items():
        gauges.set_if(enough, name, metric(outcomes) if enough else None, **frame.labels)
    reliability(frame, gauges, outcomes)


def _averages(
    frame: WindowFrame,
    gauges: Gauges,
    metrics: dict[str, Averaged],
    outcomes: MulticlassOutcomeSummary,
    enough: bool,
) -> None:
    for name, metric in metrics.items():
        for average in AVERAGES:
            value = metric(outcomes, average) if enough else None
            gauges.set_if(enough, name, value, **frame.labels, average=average)


def _confusion(
    frame: WindowFrame,
    gauges: Gauges,
    outcomes: MulticlassOutcomeSummary,
    classes: tuple[str, ...],
    enough: bool,
) -> None:
    """A cell that no row falls into has no series: of many classes most cells are empty."""
    if len(classes) > MOST_DETAILED:
        gauges.withhold("ml_model_confusion_ratio", Reason.TOO_MANY_CLASSES, **frame.labels)
        return
    weight = float(outcomes.confusion.sum())
    for actual, actual_name in enumerate(classes):
        for predicted, predicted_name in enumerate(classes):
            number = float(outcomes.confusion[actual, predicted])
            if number or len(classes) <= 10:
                labels = {"actual": actual_name, "predicted": predicted_name}
                ratio = number / weight if weight else None
                gauges.set_if(enough, "ml_model_confusion_ratio", ratio, **frame.labels, **labels)
