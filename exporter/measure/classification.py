"""Outcome gauges of classifiers; every metric rests on the labelled predictions of the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from exporter.measure.gauges import Reason, WindowSummaries
from exporter.statistics import confusion, multiclass, probability, ranking_quality, standard_errors
from exporter.statistics.multiclass import AVERAGES, Average
from exporter.summary.base import Floats, ratio
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.multiclass import MOST_DETAILED, MulticlassOutcomeSummary
from exporter.summary.outcomes import CALIBRATION_BINS, OutcomeSummary

BIN_LABELS = tuple(f"{upper / CALIBRATION_BINS:.3f}" for upper in range(1, CALIBRATION_BINS + 1))
"""The upper end of each calibration bin."""

_CELLS_ALWAYS_SHOWN = 10
"""Of a confusion matrix of more classes than this, empty cells have no series."""

_MOST_UNKNOWN = 0.01
"""Largest share of a binary model's predictions that are of neither class: more are one of its classes, unnamed."""

_BINARY: Mapping[str, Callable[[OutcomeSummary], float | None]] = {
    "ml_model_accuracy": confusion.accuracy,
    "ml_model_precision": confusion.precision,
    "ml_model_recall": confusion.recall,
    "ml_model_f1": confusion.f1,
    "ml_model_accuracy_standard_error": standard_errors.accuracy_error,
    "ml_model_precision_standard_error": standard_errors.precision_error,
    "ml_model_recall_standard_error": standard_errors.recall_error,
    "ml_model_f1_standard_error": standard_errors.f1_error,
}
_BINARY_SCORES: Mapping[str, Callable[[OutcomeSummary], float | None]] = {
    "ml_model_auc_roc": ranking_quality.auc_roc,
    "ml_model_auc_pr": ranking_quality.average_precision,
    "ml_model_auc_roc_standard_error": ranking_quality.auc_standard_error,
}
_MULTICLASS: Mapping[str, Callable[[MulticlassOutcomeSummary], float | None]] = {
    "ml_model_accuracy": multiclass.accuracy,
    "ml_model_accuracy_standard_error": standard_errors.accuracy_error,
}
_AVERAGED: Mapping[str, Callable[[MulticlassOutcomeSummary, Average], float | None]] = {
    "ml_model_precision": multiclass.precision,
    "ml_model_recall": multiclass.recall,
    "ml_model_f1": multiclass.f1,
}
_AVERAGED_ERRORS: Mapping[str, Callable[[MulticlassOutcomeSummary, Average], float | None]] = {
    "ml_model_precision_standard_error": standard_errors.averaged_precision_error,
    "ml_model_recall_standard_error": standard_errors.averaged_recall_error,
    "ml_model_f1_standard_error": standard_errors.averaged_f1_error,
}
_AVERAGED_SCORES: Mapping[str, Callable[[MulticlassOutcomeSummary, Average], float | None]] = {
    "ml_model_auc_roc": multiclass.auc_roc,
    "ml_model_auc_pr": multiclass.average_precision,
    "ml_model_auc_roc_standard_error": standard_errors.averaged_auc_error,
}
_PROBABILITIES: Mapping[str, Callable[[OutcomeSummary | MulticlassOutcomeSummary], float | None]] = {
    "ml_model_log_loss": probability.log_loss,
    "ml_model_brier_score": probability.brier_score,
    "ml_calibration_error": probability.expected_calibration_error,
    "ml_calibration_max_error": probability.maximum_calibration_error,
    "ml_calibration_error_standard_error": standard_errors.calibration_error_error,
}


def export_binary(window: WindowSummaries) -> None:
    """Export the gauges of a binary classifier."""
    outcomes: OutcomeSummary = window.outcome["outcomes"]
    window.set("ml_label_positive_ratio", confusion.positive_ratio(outcomes), outcomes.labelled)
    decided = window
    if has_unnamed_class(window):
        decided = replace(window, withheld_for=window.withheld_for or Reason.CLASSES_UNKNOWN)
    decided.set_all(_BINARY, outcomes, outcomes.classified)
    _confusion(decided, outcomes)
    if window.task.scored:
        window.set_all(_BINARY_SCORES, outcomes, outcomes.scored)
        _probabilities(window, outcomes)


def has_unnamed_class(window: WindowSummaries) -> bool:
    """Return whether more of a binary model's predictions are of neither class than chance or a mistake explains.

    Where classes are 1 and 2, the predictions that can be read are all of class 1, and F1 is perfect.
    """
    predicted: CategoricalSummary = window.traffic["classes"]
    return bool(predicted.unseen > _MOST_UNKNOWN * predicted.present)


def export_multiclass(window: WindowSummaries) -> None:
    """Export the gauges of a classifier of several classes. Of too many, averages of scores and cells are withheld."""
    outcomes: MulticlassOutcomeSummary = window.outcome["outcomes"]
    detailed = window
    if len(window.task.classes) > MOST_DETAILED:
        detailed = replace(window, withheld_for=window.withheld_for or Reason.TOO_MANY_CLASSES)
    window.set_all(_MULTICLASS, outcomes, outcomes.classified)
    _averages(window, _AVERAGED, outcomes, outcomes.classified)
    _averages(detailed, _AVERAGED_ERRORS, outcomes, outcomes.classified)
    if detailed is window:
        _confusion(window, outcomes)
    else:
        window.withhold("ml_model_confusion_ratio", Reason.TOO_MANY_CLASSES)
    if window.task.scored:
        _averages(detailed, _AVERAGED_SCORES, outcomes, outcomes.scored)
        _probabilities(window, outcomes)


def _averages(
    window: WindowSummaries,
    metrics: Mapping[str, Callable[[MulticlassOutcomeSummary, Average], float | None]],
    outcomes: MulticlassOutcomeSummary,
    rows: Floats,
) -> None:
    for name, metric in metrics.items():
        if not window.wants(name):
            continue
        for average in AVERAGES:
            value = metric(outcomes, average) if window.enough(rows) else None
            window.set(name, value, rows, average=average)


def _probabilities(window: WindowSummaries, outcomes: OutcomeSummary | MulticlassOutcomeSummary) -> None:
    """A calibration bin without rows has no series: there is nothing that could be computed."""
    window.set_all(_PROBABILITIES, outcomes, outcomes.scored)
    names = ("ml_calibration_bin_confidence", "ml_calibration_bin_observed_ratio")
    if not window.wants(*names):
        return
    for name, values in zip(names, probability.reliability(outcomes), strict=True):
        if not window.enough(outcomes.scored):
            window.withhold(name, Reason.TOO_FEW_SAMPLES)
            continue
        for label, value in zip(BIN_LABELS, values, strict=True):
            if not np.isnan(value):
                window.set(name, float(value), bin=label)


def _confusion(window: WindowSummaries, outcomes: OutcomeSummary | MulticlassOutcomeSummary) -> None:
    if not window.wants("ml_model_confusion_ratio"):
        return
    classes, cells = window.task.classes, outcomes.confusion
    weight = cells.sum()
    for actual, row in zip(classes, cells, strict=True):
        for predicted, number in zip(classes, row, strict=True):
            if number or len(classes) <= _CELLS_ALWAYS_SHOWN:
                labels = {"actual": actual, "predicted": predicted}
                share = ratio(number, weight)
                window.set("ml_model_confusion_ratio", share, outcomes.classified, **labels)
