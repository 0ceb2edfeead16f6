"""Gauges of sets of classes: what is in them, and how right they were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from exporter.measure.gauges import Reason, WindowSummaries
from exporter.statistics import multilabel
from exporter.statistics.multilabel import AVERAGES, SCORE_AVERAGES, ScoreAverage
from exporter.statistics.standard_errors import accuracy_error
from exporter.summary.base import Floats, ratio
from exporter.summary.multiclass import MOST_DETAILED
from exporter.summary.multilabel import MEASURES, LabelSetsSummary, MultilabelOutcomeSummary

_WHOLE: Mapping[str, Callable[[MultilabelOutcomeSummary], float | None]] = {
    "ml_model_accuracy": multilabel.accuracy,
    "ml_model_accuracy_standard_error": accuracy_error,
    "ml_model_hamming_loss": multilabel.hamming_loss,
}
_AREAS: Mapping[
    str,
    tuple[
        Callable[[MultilabelOutcomeSummary, ScoreAverage], float | None],
        Callable[[MultilabelOutcomeSummary], Floats],
    ],
] = {
    "ml_model_auc_roc": (multilabel.auc_roc, multilabel.auc_roc_of_classes),
    "ml_model_auc_pr": (multilabel.average_precision, multilabel.average_precision_of_classes),
}


def export_sets(
    window: WindowSummaries, prefix: Literal["ml_prediction", "ml_label"], sets: LabelSetsSummary
) -> None:
    """Export the share of sets that have each class, and how many classes a set has."""
    for name, number in zip(sets.classes, sets.counts, strict=False):
        share = ratio(number, sets.sets)
        window.set(f"{prefix}_class_ratio", share, sets.rows, **{"class": name})
    window.set(f"{prefix}_cardinality", multilabel.cardinality(sets), sets.rows)


def export(window: WindowSummaries) -> None:
    """Export how right sets of classes were. Those of single classes are of all traffic only."""
    outcomes: MultilabelOutcomeSummary = window.outcome["outcomes"]
    window.set_all(_WHOLE, outcomes, outcomes.classified)
    for measure in MEASURES:
        name = f"ml_model_{measure}"
        for average in AVERAGES:
            value = multilabel.mean(outcomes, measure, average)
            window.set(name, value, multilabel.rows(outcomes, measure, average), average=average)
        _of_classes(window, name, multilabel.of_classes(outcomes, measure), outcomes.classified)
    if window.task.scored:
        _areas(window, outcomes)


def _areas(window: WindowSummaries, outcomes: MultilabelOutcomeSummary) -> None:
    for name, (averaged, of_classes) in _AREAS.items():
        if len(outcomes.classes) > MOST_DETAILED:
            window.withhold(name, Reason.TOO_MANY_CLASSES)
            continue
        enough = window.enough(outcomes.scored)
        for average in SCORE_AVERAGES:
            value = averaged(outcomes, average) if enough else None
            window.set(name, value, outcomes.scored, average=average)
        values = of_classes(outcomes) if enough else np.full(len(outcomes.classes), np.nan)
        _of_classes(window, name, values, outcomes.scored)


def _of_classes(window: WindowSummaries, name: str, values: Floats, rows: Floats) -> None:
    if not window.segment:
        classes = window.outcome["outcomes"].classes
        for class_name, value in zip(classes, values.tolist(), strict=False):
            window.set(name, value, rows, **{"class": class_name})
