"""Metrics of several classes: of each against the rest, and their averages."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from exporter.statistics import ranking_quality
from exporter.summary.base import Floats, quotients, ratio
from exporter.summary.multiclass import CLASS_CELLS, MulticlassOutcomeSummary

Average = Literal["macro", "weighted"]
AVERAGES: tuple[Average, ...] = ("macro", "weighted")
TIED = np.isin(np.arange(CLASS_CELLS), (0, CLASS_CELLS - 1))  # exactly 0, exactly 1


def accuracy(summary: MulticlassOutcomeSummary) -> float | None:
    """Right predictions over classified ones, of unknown labels too. None where there are none."""
    return ratio(summary.right.sum(), summary.actual.sum() + summary.actual_unknown)


def precision(summary: MulticlassOutcomeSummary, average: Average) -> float | None:
    """Mean of each class's right ones among those predicted so, where some were. None where no class is left."""
    found = _counts(summary)
    return averaged(quotients(found.right, found.predicted), found.actual, average)


def recall(summary: MulticlassOutcomeSummary, average: Average) -> float | None:
    """Mean of each class's right ones among those labelled so, where some were. None where no class is left.

    Labels of unknown classes are one class more, with a recall of 0.
    """
    found = _counts(summary)
    return averaged(quotients(found.right, found.actual), found.actual, average)


def f1(summary: MulticlassOutcomeSummary, average: Average) -> float | None:
    """Mean of each class's 2 TP / (2 TP + FP + FN), where it was label or prediction. None where no class is left.

    A class that is never predicted has F1 of 0, though its precision is not defined: left out, it would
    raise the average of a model that gives the class up. So have labels of unknown classes, as one class.
    """
    found = _counts(summary)
    values = quotients(2 * found.right, found.predicted + found.actual)
    return averaged(values, found.actual, average)


class _Counts(NamedTuple):
    """Sums of weights over classified rows; shape (K + 1,) each, the last of all unknown classes."""

    right: Floats
    predicted: Floats
    actual: Floats


def _counts(summary: MulticlassOutcomeSummary) -> _Counts:
    return _Counts(
        np.append(summary.right, 0.0),
        np.append(summary.predicted, 0.0),
        np.append(summary.actual, summary.actual_unknown),
    )


def auc_roc(summary: MulticlassOutcomeSummary, average: Average) -> float | None:
    """Mean of the AUC of each class against the rest, where both have rows. None where no class is left.

    Off by at most the mean of half the chance that a row of the class and one of the rest share a score cell.
    """
    values = [ranking_quality.auc_of_cells(*cells) for cells in summary.class_cells]
    return averaged(_floats(values), _scored_labels(summary), average)


def average_precision(summary: MulticlassOutcomeSummary, average: Average) -> float | None:
    """Mean of the average precision of each class against the rest, where it has rows. None where no class is left.

    Positives and negatives of a score cell are taken as evenly mixed, but for the exact 0 and 1: off by at most the
    mean distance to the best and the worst order in each cell.
    """
    weight = ranking_quality.mean_weight(summary)
    values = [
        ranking_quality.average_precision_of_cells(negatives, positives, TIED, weight)
        for negatives, positives in summary.class_cells
    ]
    return averaged(_floats(values), _scored_labels(summary), average)


def averaged(values: Floats, labels: Floats, average: Average) -> float | None:
    """Mean over the classes whose value is not NaN: each alike ("macro"), or by its ``labels``, (K,) ("weighted").

    As scikit-learn's averages with ``zero_division=nan``. None where no class (or no label) is left.
    """
    if not len(values):
        return None
    defined = ~np.isnan(values)
    shares = np.ones(len(values)) if average == "macro" else labels
    whole = float(shares[defined].sum()) if defined.any() else 0.0
    return float(values[defined] @ shares[defined]) / whole if whole else None


def _scored_labels(summary: MulticlassOutcomeSummary) -> Floats:
    labels: Floats = summary.class_cells[:, 1].sum(axis=-1)
    return labels


def _floats(values: list[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
