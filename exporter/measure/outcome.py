"""Outcome gauges: how right the model was, how much of the truth has come and how late, and estimates without it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from exporter.measure import classification, labels, multilabel
from exporter.measure.gauges import Reason, WindowSummaries
from exporter.references.reference import Calibration, view_part
from exporter.statistics import multiclass_estimation, ranked_lists, regression
from exporter.statistics import performance_estimation as estimation
from exporter.statistics.multiclass import AVERAGES, Average
from exporter.statistics.performance_estimation import Expected
from exporter.statistics.quantiles import duration_quantile
from exporter.statistics.standard_errors import mean_absolute_error_error
from exporter.summary.class_chances import ClassChancesSummary
from exporter.summary.outcomes import ClassScoresSummary
from exporter.summary.ranking import RankingOutcomeSummary
from exporter.summary.regression import RegressionOutcomeSummary
from exporter.summary.traffic import MeansSummary
from mlslo.catalogue import METRICS

DELAY_QUANTILES = ("0.5", "0.9", "0.99")
DELAY_LABELS = ("1m", "1h", "6h", "1d", "7d", "30d", "+Inf")
"""The upper end of each delay bucket."""

_BY_DELAY = "ml_model_accuracy_by_delay"

_OF_NUMBERS: dict[str, Callable[[RegressionOutcomeSummary], float | None]] = {
    "ml_model_mae": regression.mean_absolute_error,
    "ml_model_rmse": regression.root_mean_squared_error,
    "ml_model_r2": regression.r_squared,
    "ml_model_mean_error": regression.mean_error,
    "ml_model_mae_standard_error": mean_absolute_error_error,
}
_OF_LISTS = {
    "ml_model_ndcg": "ndcg",
    "ml_model_map": "average_precision",
    "ml_model_recall_at": "recall",
    "ml_model_precision_at": "precision",
}


def export(window: WindowSummaries) -> None:
    """Export estimates, and where there is a label log how right the model was.

    While too few labels have come, all but their coverage and delays are withheld.
    """
    spec = window.spec
    if window.task.scored and spec.task in _ESTIMATES and window.wants(*_ESTIMATED, *_ESTIMATED_LOSSES):
        _ESTIMATES[spec.task](window)
    if spec.labels is None:
        return
    covered = labels.coverage(window.traffic, window.outcome)
    window.set("ml_label_coverage_ratio", covered, window.traffic["traffic"].answered)
    if spec.labels.fields.timestamp is not None:
        _delays(window)
    if covered is not None and covered < spec.labels.minCoverage:
        window = replace(window, withheld_for=Reason.LABELS_INCOMPLETE)
    labels.export(window)
    _BY_TASK[spec.task](window)


def _delays(window: WindowSummaries) -> None:
    delay, by_delay = window.outcome["delay"], window.outcome["by delay"]
    if not window.wants("ml_label_delay_seconds", "ml_model_accuracy_by_delay"):
        return
    for quantile in DELAY_QUANTILES:
        value = duration_quantile(delay, float(quantile))
        window.set("ml_label_delay_seconds", value, delay.present, quantile=quantile)
    if window.spec.task not in METRICS[_BY_DELAY].tasks:
        return
    for label, rows, value in zip(DELAY_LABELS, by_delay.rows, by_delay.mean_quality, strict=True):
        # A bucket without rows has no series: there is nothing that could be computed.
        if not np.isnan(value):
            window.set(_BY_DELAY, float(value), rows, delay=label)


def _regression(window: WindowSummaries) -> None:
    outcomes: RegressionOutcomeSummary = window.outcome["outcomes"]
    window.set_all(_OF_NUMBERS, outcomes, outcomes.scored)
    error = regression.mean_absolute_percentage_error(outcomes)
    window.set("ml_model_mape", error, outcomes.scored - outcomes.zero_labels)


def _ranking(window: WindowSummaries) -> None:
    """Every metric rests on the labelled lists for which it is defined."""
    outcomes: RankingOutcomeSummary = window.outcome["outcomes"]
    for name, measure in _OF_LISTS.items():
        if not window.wants(name):
            continue
        for k in window.spec.predictions.cutoffs:
            rows = ranked_lists.lists(outcomes, measure, k)
            window.set(name, ranked_lists.mean_quality(outcomes, measure, k), rows, k=str(k))


_BY_TASK: Mapping[str, Callable[[WindowSummaries], None]] = {
    "binary": classification.export_binary,
    "multiclass": classification.export_multiclass,
    "multilabel": multilabel.export,
    "regression": _regression,
    "ranking": _ranking,
}


_ESTIMATED_ACCURACY = "ml_model_estimated_accuracy"
_ESTIMATED: dict[str, Callable[[Expected], float | None]] = {
    _ESTIMATED_ACCURACY: estimation.estimated_accuracy,
    "ml_model_estimated_precision": estimation.estimated_precision,
    "ml_model_estimated_recall": estimation.estimated_recall,
    "ml_model_estimated_f1": estimation.estimated_f1,
    "ml_model_estimated_auc_roc": estimation.estimated_auc_roc,
}

_ESTIMATED_LOSSES = ("ml_model_estimated_mae", "ml_model_estimated_rmse")
_ESTIMATED_AVERAGES: dict[str, Callable[[ClassChancesSummary, Average], float | None]] = {
    "ml_model_estimated_precision": multiclass_estimation.estimated_precision,
    "ml_model_estimated_recall": multiclass_estimation.estimated_recall,
    "ml_model_estimated_f1": multiclass_estimation.estimated_f1,
    "ml_model_estimated_auc_roc": multiclass_estimation.estimated_auc_roc,
}


def _estimate_binary(window: WindowSummaries) -> None:
    """From the calibration of the first reference that has labels: the segment's own, where it has labels enough."""
    found = _calibration(window)
    calibrated = None if found is None else estimation.calibrate(found.edges, found.rows, found.positives)
    if found is None or calibrated is None:
        reason = _without(window, Reason.REFERENCE_WITHOUT_LABELS)
    elif not window.enough(found.rows.sum()):
        reason = Reason.REFERENCE_TOO_SMALL
    else:
        scores: ClassScoresSummary = window.traffic["class scores"]
        window.set_all(_ESTIMATED, estimation.expect(scores, calibrated), float(scores.counts.sum()))
        return
    for name in _ESTIMATED:
        window.withhold(name, reason)


def _calibration(window: WindowSummaries) -> Calibration | None:
    """Of a segment that no reference has enough labels of, it is that of all rows: what a score is worth in general."""
    own = (reference.calibration for reference in window.static.values() if window.segment)
    whole = (reference.calibration for reference in window.schema.references.values())
    large = (found for found in own if found is not None and window.enough(found.rows.sum()))
    return next((found for found in (*large, *whole) if found is not None), None)


def _estimate_multiclass(window: WindowSummaries) -> None:
    """From the calibration of each class by the first reference that has labels."""
    calibration = window.schema.classes
    if calibration is None or not window.enough(calibration.rows):
        without = _without(window, Reason.REFERENCE_WITHOUT_LABELS)
        reason = without if calibration is None else Reason.REFERENCE_TOO_SMALL
        for name in _ESTIMATED:
            window.withhold(name, reason)
        return
    chances: ClassChancesSummary = window.traffic["chances"]
    rows = float(chances.predicted.sum())
    window.set(_ESTIMATED_ACCURACY, multiclass_estimation.estimated_accuracy(chances), rows)
    for name, metric in _ESTIMATED_AVERAGES.items():
        for average in AVERAGES:
            window.set(name, metric(chances, average), rows, average=average)


def _estimate_regression(window: WindowSummaries) -> None:
    """By the first reference that has an estimator, where every feature that it needs has values in the window."""
    estimator = window.schema.loss
    if estimator is None:
        reason = _without(window, Reason.NO_LOSS_ESTIMATOR)
    elif not all(_has_values(window, feature) for feature in estimator.features):
        reason = Reason.FEATURES_MISSING
    else:
        losses: MeansSummary = window.traffic["losses"]
        mean, square = losses.mean("absolute"), losses.mean("squared")
        window.set("ml_model_estimated_mae", mean, losses.present("absolute"))
        root = None if square is None else math.sqrt(square)
        window.set("ml_model_estimated_rmse", root, losses.present("squared"))
        return
    for name in _ESTIMATED_LOSSES:
        window.withhold(name, reason)


def _has_values(window: WindowSummaries, feature: str) -> bool:
    part = window.traffic.get(view_part(feature))
    return part is not None and float(part.present) > 0


def _without(window: WindowSummaries, reason: Reason) -> Reason:
    """Return why references lack something: one that is not there may have it."""
    return Reason.REFERENCE_MISSING if Reason.REFERENCE_MISSING in window.absent.values() else reason


_ESTIMATES: Mapping[str, Callable[[WindowSummaries], None]] = {
    "binary": _estimate_binary,
    "multiclass": _estimate_multiclass,
    "regression": _estimate_regression,
}
