"""Outcomes of a window by its labels: curves, calibration, confusion, delays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exporter.measure.gauges import WindowSummaries
from exporter.statistics import probability
from exporter.statistics.intervals import wilson_interval
from exporter.statistics.quantiles import duration_quantile
from exporter.summary.base import Floats
from exporter.summary.multiclass import MulticlassOutcomeSummary
from exporter.summary.outcomes import CALIBRATION_BINS, CalibrationSummary, OutcomeSummary

_MOST_POINTS = 400
_MOST_CLASSES = 12
_QUANTILES = (0.1, 0.5, 0.9, 0.99)

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class CalibrationBin:
    """Scores of a bin. ``low``, ``high``: the 95 % interval of the ``observed`` share of positives."""

    score: float
    observed: float
    rows: int
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Figures of the labelled predictions. ``labelled``: rows; ``coverage``: their share of the answered predictions.

    ``roc``: (false-positive rate, true-positive rate); ``precision_recall``: (recall, precision), both from the highest
    score down. ``confusion``: rows of actual, columns of predicted classes, as shares of all. ``delays``: quantile ->
    seconds.
    """

    labelled: int
    coverage: float | None
    roc: Points
    precision_recall: Points
    calibration: list[CalibrationBin]
    classes: tuple[str, ...]
    confusion: Floats | None
    delays: dict[float, float]


def outcomes(window: WindowSummaries) -> Outcomes | None:
    """Return the figures of a window; None where too few labels have come."""
    summary = window.outcome["outcomes"]
    if window.spec.labels is None or not window.enough(summary.labelled):
        return None
    answered = float(window.traffic["traffic"].answered)
    roc: Points = []
    precision_recall: Points = []
    if isinstance(summary, OutcomeSummary) and window.task.scored and window.enough(summary.scored):
        roc, precision_recall = curves(summary)
    calibrated = isinstance(summary, CalibrationSummary | MulticlassOutcomeSummary) and window.task.scored
    classes: tuple[str, ...] = ()
    confusion = None
    if isinstance(summary, OutcomeSummary | MulticlassOutcomeSummary) and summary.confusion.sum():
        classes = tuple(window.task.classes)
        if len(classes) <= _MOST_CLASSES:
            confusion = summary.confusion / summary.confusion.sum()
    delays = window.outcome.get("delay")
    found = {} if delays is None else {share: duration_quantile(delays, share) for share in _QUANTILES}
    return Outcomes(
        int(summary.labelled),
        min(1.0, summary.labelled_weight / answered) if answered else None,
        roc,
        precision_recall,
        _calibration(summary) if calibrated else [],
        classes,
        confusion,
        {share: seconds for share, seconds in found.items() if seconds is not None},
    )


def curves(summary: OutcomeSummary) -> tuple[Points, Points]:
    """Return the ROC curve and the precision-recall curve, of at most 400 points each.

    The area below the former, by trapezoids, is ``ml_model_auc_roc``, but for what the points that are left out hide.
    """
    negatives, positives = summary.cells[:, ::-1]
    if not negatives.sum() or not positives.sum():
        return [], []
    occupied = np.flatnonzero(negatives + positives)
    true, false = np.cumsum(positives)[occupied], np.cumsum(negatives)[occupied]
    if len(occupied) > _MOST_POINTS:
        # Evenly along the curve, not along the scores.
        along = (true / true[-1] + false / false[-1]) / 2
        chosen = np.unique(np.searchsorted(along, np.linspace(0, 1, _MOST_POINTS)).clip(0, len(along) - 1))
        true, false = true[chosen], false[chosen]
    roc = [(0.0, 0.0), *zip((false / false[-1]).tolist(), (true / true[-1]).tolist(), strict=True)]
    hits = true > 0
    precision = (true[hits] / (true[hits] + false[hits])).tolist()
    return roc, list(zip((true[hits] / true[-1]).tolist(), precision, strict=True))


def _calibration(summary: OutcomeSummary | MulticlassOutcomeSummary) -> list[CalibrationBin]:
    scores, observed = probability.reliability(summary)
    found = []
    for position in range(CALIBRATION_BINS):
        rows = float(summary.calibration_rows[position])
        interval = wilson_interval(float(summary.calibration_positives[position]), rows)
        if interval is not None:
            found.append(
                CalibrationBin(float(scores[position]), float(observed[position]), int(rows), *interval)
            )
    return found
