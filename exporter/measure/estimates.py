"""Estimated outcome gauges: how right the model is while no label has come."""

from __future__ import annotations

from collections.abc import Callable

from exporter.measure.gauges import Reason
from exporter.measure.window_summaries import WindowSummaries
from exporter.statistics import performance_estimation as estimation
from exporter.statistics.performance_estimation import Expected
from exporter.summary.outcomes import ClassScoresSummary

_ACCURACY = "ml_model_estimated_accuracy"
_METRICS: dict[str, Callable[[Expected], float | None]] = {
    _ACCURACY: estimation.estimated_accuracy,
    "ml_model_estimated_precision": estimation.estimated_precision,
    "ml_model_estimated_recall": estimation.estimated_recall,
    "ml_model_estimated_f1": estimation.estimated_f1,
    "ml_model_estimated_auc_roc": estimation.estimated_auc_roc,
}


def export(window: WindowSummaries) -> None:
    """Export them for classifiers whose scores are logged."""
    if window.spec.task == "binary" and window.task.scored:
        _binary(window)
    elif window.spec.task == "multiclass" and window.task.scored:
        _multiclass(window)


def _binary(window: WindowSummaries) -> None:
    """From the calibration of the first reference that has labels."""
    known = (reference.calibration for reference in window.static.values())
    found = next((calibration for calibration in known if calibration is not None), None)
    calibrated = None if found is None else estimation.calibrate(found.edges, found.rows, found.positives)
    if found is None or calibrated is None:
        reason = _without_labels(window)
    elif not window.enough(found.rows.sum()):
        reason = Reason.REFERENCE_TOO_SMALL
    else:
        scores: ClassScoresSummary = window.traffic["class scores"]
        window.set_all(_METRICS, estimation.expect(scores, calibrated), float(scores.counts.sum()))
        return
    for name in _METRICS:
        window.withhold(name, reason)


def _multiclass(window: WindowSummaries) -> None:
    """The accuracy alone; the others would need the chances of all classes of each row."""
    for name in _METRICS:
        if name != _ACCURACY:
            window.withhold(name, Reason.NOT_BINARY)
    confidence = window.schema.confidence
    if confidence is None:
        window.withhold(_ACCURACY, _without_labels(window))
    elif not window.enough(confidence.rows):
        window.withhold(_ACCURACY, Reason.REFERENCE_TOO_SMALL)
    else:
        expected = window.traffic["certainty"]
        window.set(_ACCURACY, expected.mean("right"), expected.present("right"))


def _without_labels(window: WindowSummaries) -> Reason:
    return Reason.REFERENCE_MISSING if window.absent else Reason.REFERENCE_WITHOUT_LABELS
