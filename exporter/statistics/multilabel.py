"""Metrics of sets of classes: of each class, averaged over classes or predictions, and of whole sets."""

from __future__ import annotations

from typing import Literal

import numpy as np

from exporter.statistics import ranking_quality
from exporter.statistics.multiclass import TIED, averaged
from exporter.summary.base import Floats, quotients, ratio
from exporter.summary.multilabel import MEASURES, LabelSetsSummary, MultilabelOutcomeSummary

ScoreAverage = Literal["micro", "macro", "weighted"]
Average = Literal[ScoreAverage, "samples"]
SCORE_AVERAGES: tuple[ScoreAverage, ...] = ("micro", "macro", "weighted")
"""Metrics of areas, which need the scores of all predictions."""
AVERAGES: tuple[Average, ...] = (*SCORE_AVERAGES, "samples")


def accuracy(summary: MultilabelOutcomeSummary) -> float | None:
    """Share of predictions whose set is the label's, no class more or less (subset accuracy). Exact."""
    return ratio(summary.exact, summary.classified_weight)


def hamming_loss(summary: MultilabelOutcomeSummary) -> float | None:
    """Share of wrong answers, one answer for each class and prediction. Exact. None without predictions.

    Where names that are no class have come, they are one class more, and wrong.
    """
    right, predicted, actual = (counts[:-1] for counts in (summary.right, summary.predicted, summary.actual))
    wrong = (predicted + actual - 2 * right).sum() + summary.other
    answers = len(summary.classes) + (1 if summary.other else 0)
    return ratio(wrong, summary.classified_weight * answers)


def of_classes(summary: MultilabelOutcomeSummary, measure: str) -> Floats:
    """One of MEASURES of each class, shape (K + 1,), the last of other names; NaN where it is 0/0. Exact."""
    return quotients(*_part_and_whole(summary, measure))


def mean(summary: MultilabelOutcomeSummary, measure: str, average: Average) -> float | None:
    """One of MEASURES, averaged as scikit-learn does with ``zero_division=nan``. Exact.

    "micro": of the counts of all classes. "macro", "weighted": of the classes where it is defined, each alike or by
    its labels. "samples": of the predictions where it is defined. Names that are no class are one class more, never
    right. None where nothing is left.
    """
    if average == "samples":
        place = MEASURES.index(measure)
        return ratio(summary.measures[place], summary.measured_weight[place])
    if average == "micro":
        part, whole = _part_and_whole(summary, measure)
        return ratio(part.sum(), whole.sum())
    return averaged(of_classes(summary, measure), summary.actual, average)


def rows(summary: MultilabelOutcomeSummary, measure: str, average: Average) -> float:
    """Predictions that ``mean`` rests on, whatever their weights."""
    of_all = float(summary.classified)
    return float(summary.measured[MEASURES.index(measure)]) if average == "samples" else of_all


def auc_roc_of_classes(summary: MultilabelOutcomeSummary) -> Floats:
    """AUC-ROC of each class, shape (K,); NaN where no label has it, or all have.

    Off by at most half the chance that a row with and one without the class share a score cell.
    """
    return _floats([ranking_quality.auc_of_cells(*cells) for cells in summary.class_cells])


def average_precision_of_classes(summary: MultilabelOutcomeSummary) -> Floats:
    """Average precision of each class, shape (K,); NaN where no label has it.

    Off by at most the distance to the best and the worst order in each score cell.
    """
    return _floats([_average_precision(summary, cells) for cells in summary.class_cells])


def auc_roc(summary: MultilabelOutcomeSummary, average: ScoreAverage) -> float | None:
    """AUC-ROC, "micro" of all answers of all classes as one, else the mean of the classes. None where none is left."""
    if average == "micro":
        return ranking_quality.auc_of_cells(*summary.class_cells.sum(axis=0))
    return averaged(auc_roc_of_classes(summary), _scored_labels(summary), average)


def average_precision(summary: MultilabelOutcomeSummary, average: ScoreAverage) -> float | None:
    """Average precision, averaged as ``auc_roc``. None where nothing is left."""
    if average == "micro":
        return _average_precision(summary, summary.class_cells.sum(axis=0))
    return averaged(average_precision_of_classes(summary), _scored_labels(summary), average)


def cardinality(summary: LabelSetsSummary) -> float | None:
    """Mean number of classes in a set; all other names in it are one. Exact. None where there are no sets."""
    return ratio(summary.counts.sum(), summary.sets)


def _part_and_whole(summary: MultilabelOutcomeSummary, measure: str) -> tuple[Floats, Floats]:
    match measure:
        case "precision":
            return summary.right, summary.predicted
        case "recall":
            return summary.right, summary.actual
    return 2 * summary.right, summary.predicted + summary.actual


def _average_precision(summary: MultilabelOutcomeSummary, cells: Floats) -> float | None:
    weight = float(summary.scored_weight) / float(summary.scored) if summary.scored else 1.0
    negatives, positives = cells
    return ranking_quality.average_precision_of_cells(negatives, positives, TIED, weight)


def _scored_labels(summary: MultilabelOutcomeSummary) -> Floats:
    labels: Floats = summary.class_cells[:, 1].sum(axis=-1)
    return labels


def _floats(values: list[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
