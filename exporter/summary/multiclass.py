"""Labelled predictions of a classifier of several classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Codes, Flags, Floats, Groups, Merge, count, count_cells, merged_by
from exporter.summary.outcomes import CalibrationSummary, calibration_arrays, cell, cells_of

MOST_DETAILED = 100
"""More classes than this have no confusion matrix and no score cells: 10,000 of them would take 900 MB."""
_PER_OCTAVE, _FAR = 8, 32
CLASS_CELLS = cells_of(_PER_OCTAVE, _FAR)
_EPSILON = float(np.finfo(np.float64).eps)


def class_cell(scores: Floats) -> Codes:
    """Return the cell of the probability of one of several classes, 0..CLASS_CELLS - 1."""
    return cell(scores, _PER_OCTAVE, _FAR)


@dataclass(frozen=True, eq=False, kw_only=True)
class MulticlassOutcomeSummary(CalibrationSummary):
    """Labelled predictions over ``classes``, whose order gives their codes; K is their number.

    ``labelled``, ``scored``, ``classified``: rows, those of a known label with all probabilities, those with a known
    predicted class; whatever their weights. All else sums weights.
    ``unknown_labels``: labels that name none of the classes. ``labels``: (K,), of all known labels.
    ``predicted``: (K,), over classified rows, by predicted class. ``actual``, ``right``: (K,), those of a known label,
    by label, and where it is what was predicted. ``actual_unknown``: those of an unknown label, wrong for certain.
    ``confusion``: (K, K), by known label and predicted class. ``class_cells``: (K, 2, CLASS_CELLS), for each class
    whether it is the label, by the cell of its probability. Both are empty for more than MOST_DETAILED classes.
    ``calibration_*``: of the highest probability, and whether that class was right (Guo et al., 2017).
    ``log_loss``: -ln of the label's probability clipped to [eps, 1 - eps]; ``squared_error``: over all classes.
    """

    classes: tuple[str, ...]
    labelled: Floats = merged_by(Merge.SUM)
    classified: Floats = merged_by(Merge.SUM)
    unknown_labels: Floats = merged_by(Merge.SUM)
    labels: Floats = merged_by(Merge.SUM)
    actual: Floats = merged_by(Merge.SUM)
    actual_unknown: Floats = merged_by(Merge.SUM)
    predicted: Floats = merged_by(Merge.SUM)
    right: Floats = merged_by(Merge.SUM)
    confusion: Floats = merged_by(Merge.SUM)
    class_cells: Floats = merged_by(Merge.SUM)
    log_loss: Floats = merged_by(Merge.SUM)
    squared_error: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(
        cls,
        classes: tuple[str, ...],
        probabilities: Floats,
        predicted: Codes,
        labels: Codes,
        groups: Groups,
        size: int,
        weights: Floats | None = None,
    ) -> Self:
        """A stack of ``size`` summaries.

        ``probabilities``: (rows, K), a row with a NaN in it was not logged; ``predicted`` and ``labels``: codes,
        -1 where not among the classes; ``weights``: how many predictions each row stands for, 1 where None.
        """
        width = len(classes)
        weight = np.ones(len(labels)) if weights is None else weights
        known = labels >= 0
        classified = predicted >= 0
        both, wrong = known & classified, ~known & classified
        scored = known & np.isfinite(probabilities).all(axis=1) & (width > 0)

        def by_class(rows: Flags, codes: Codes) -> Floats:
            return count_cells(groups[rows], size, codes[rows], width, weight[rows])

        scores, label, member, share = probabilities[scored], labels[scored], groups[scored], weight[scored]
        rows = np.arange(len(label))
        top = scores.argmax(axis=1) if width else label
        of_label = scores[rows, label]
        # The sum over classes of (p - [class is label])**2, without a second array of probabilities.
        squared = np.einsum("ij,ij->i", scores, scores) - 2 * of_label + 1
        return cls(
            **calibration_arrays(scores[rows, top], top == label, member, size, share),
            classes=classes,
            labelled=count(groups, size),
            classified=count(groups[classified], size),
            unknown_labels=count(groups[~known], size, weight[~known]),
            labels=by_class(known, labels),
            actual=by_class(both, labels),
            actual_unknown=count(groups[wrong], size, weight[wrong]),
            predicted=by_class(classified, predicted),
            right=by_class(both & (labels == predicted), labels),
            confusion=_confusion(width, labels[both], predicted[both], groups[both], size, weight[both]),
            class_cells=_class_cells(width, scores, label, member, size, share),
            log_loss=count(member, size, -np.log(np.clip(of_label, _EPSILON, 1 - _EPSILON)) * share),
            squared_error=count(member, size, np.maximum(squared, 0.0) * share),
        )

    @property
    def labelled_weight(self) -> float:
        """Predictions that the labelled rows stand for, of known and unknown labels."""
        return float(self.labels.sum() + self.unknown_labels)


def _confusion(
    width: int, labels: Codes, predicted: Codes, groups: Groups, size: int, weights: Floats
) -> Floats:
    if width > MOST_DETAILED:
        return np.zeros((size, 0, 0))
    counts = count_cells(groups, size, labels * width + predicted, width * width, weights)
    return counts.reshape(size, width, width)


def _class_cells(
    width: int, scores: Floats, labels: Codes, groups: Groups, size: int, weights: Floats
) -> Floats:
    if width > MOST_DETAILED:
        return np.zeros((size, 0, 2, CLASS_CELLS))
    cells = np.zeros((size, width, 2, CLASS_CELLS))
    for code in range(width):
        places = (labels == code) * CLASS_CELLS + class_cell(scores[:, code])
        counts = count_cells(groups, size, places, 2 * CLASS_CELLS, weights)
        cells[:, code] = counts.reshape(size, 2, CLASS_CELLS)
    return cells
