"""Estimated outcome gauges: how right the model is while no label has come."""

from __future__ import annotations

from collections.abc import Callable

from exporter.measure.gauges import Gauges
from exporter.measure.reasons import Reason
from exporter.measure.window_frame import WindowFrame
from exporter.statistics import performance_estimation as estimation
from exporter.statistics.performance_estimation import Expected
from exporter.summary.class_scores import ClassScoresSummary

_ACCURACY = "ml_model_estimated_accuracy"
_METRICS: dict[str, Callable[[Expected], float | None]] = {
    _ACCURACY: estimation.estimated_accuracy,
    "ml_model_estimated_precision": estimation.estimated_precision,
    "ml_model_estimated_recall": estimation.estimated_recall,
    "ml_model_estimated_f1": estimation.estimated_f1,
    "ml_model_estimated_auc_roc": estimation.estimated_auc_roc,
}


def binary(frame: WindowFrame, gauges: Gauges) -> None:
    """From the calibration of the first reference that has labels."""
    known = (reference.calibration for reference in frame.static.values())
    found = next((calibration for calibration in known if calibration is not None), None)
    calibrated = None if found is None else estimation.calibrate(found.edges, found.rows, found.positives)
    if found is None or calibrated is None:
        _withhold(frame, gauges, _without_labels(frame))
        return
    if not frame.enough(float(found.rows.sum())):
        _withhold(frame, gauges, Reason.REFERENCE_TOO_SMALL)
        return
    scores: ClassScoresSummary = frame.traffic["class scores"]
    enough = frame.enough(float(scores.counts.sum()))
    expected = estimation.expect(scores, calibrated)
    for name, metric in _METRICS.items():
        gauges.set_if(enough, name, metric(expected) if enough else None, **frame.labels)


def multiclass(frame: WindowFrame, gauges: Gauges) -> None:
    """The accuracy alone; the others would need the chances of all classes of each row."""
    for name in _METRICS:
        if name != _ACCURACY:
            gauges.withhold(name, Reason.NOT_BINARY, **frame.labels)
    certainty = frame.schema.confidence
    if certainty is None:
        gauges.withhold(_ACCURACY, _without_labels(frame), **frame.labels)
    elif not frame.enough(certainty.rows):
        gauges.withhold(_ACCURACY, Reason.REFERENCE_TOO_SMALL, **frame.labels)
    else:
        expected = frame.traffic["certainty"]
        enough = frame.enough(expected.present("right"))
        gauges.set_if(enough, _ACCURACY, expected.mean("right"), **frame.labels)


def _withhold(frame: WindowFrame, gauges: Gauges, reason: Reason) -> None:
    for name in _METRICS:
        gauges.withhold(name, reason, **frame.labels)


def _without_labels(frame: WindowFrame) -> Reason:
    return Reason.REFERENCE_MISSING if frame.absent else Reason.REFERENCE_WITHOUT_LABELS
