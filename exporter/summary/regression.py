"""Labelled predictions of numbers: sums of errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Floats, Groups, Merge, Summary, count, merged_by
from exporter.summary.sums import sums, total


@dataclass(frozen=True, eq=False)
class RegressionOutcomeSummary(Summary):
    """Predictions with their labels; error = prediction - label.

    ``pivot``: the labels' spread is summed about it, so that a small spread about a large mean survives.
    ``labelled``, ``scored``, ``zero_labels``: rows, those where prediction and label are finite, and those of them
    whose label is 0; whatever their weights. All other sums are of weights, over the scored rows: of 1
    (``scored_weight``; ``nonzero_weight`` where the label is not 0), the error, its absolute value, its square, its
    absolute value over that of the label (zero labels left out), ``label - pivot`` and the square of this. These six
    are exact sums, shape (CELLS,), from which a label can be taken out again.
    """

    pivot: float
    labelled: Floats = merged_by(Merge.SUM)
    scored: Floats = merged_by(Merge.SUM)
    zero_labels: Floats = merged_by(Merge.SUM)
    labelled_weight: Floats = merged_by(Merge.SUM)
    scored_weight: Floats = merged_by(Merge.SUM)
    nonzero_weight: Floats = merged_by(Merge.SUM)
    errors_limbs: Floats = merged_by(Merge.SUM)
    absolute_errors_limbs: Floats = merged_by(Merge.SUM)
    squared_errors_limbs: Floats = merged_by(Merge.SUM)
    relative_errors_limbs: Floats = merged_by(Merge.SUM)
    label_deviations_limbs: Floats = merged_by(Merge.SUM)
    squared_label_deviations_limbs: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(
        cls,
        pivot: float,
        predicted: Floats,
        labels: Floats,
        groups: Groups,
        size: int,
        weights: Floats | None = None,
    ) -> Self:
        """A stack of ``size`` summaries.

        ``predicted`` and ``labels``: numbers, NaN where not logged; ``weights``: how many predictions each row
        stands for, 1 where None.
        """
        usable = np.isfinite(predicted) & np.isfinite(labels)
        prediction, label, member = predicted[usable], labels[usable], groups[usable]
        weight = np.ones(len(label)) if weights is None else weights[usable]
        zero = label == 0
        with np.errstate(over="ignore"):  # a sum beyond the floats is infinite, and its statistic withheld
            error = prediction - label
            squared = error * error * weight
            relative = np.abs(error[~zero] / label[~zero]) * weight[~zero]
            error = error * weight
            deviation = label - pivot
            squared_deviation = deviation * deviation * weight
            deviation = deviation * weight
        return cls(
            pivot=pivot,
            labelled=count(groups, size),
            scored=count(member, size),
            zero_labels=count(member[zero], size),
            labelled_weight=count(groups, size, weights),
            scored_weight=count(member, size, weight),
            nonzero_weight=count(member[~zero], size, weight[~zero]),
            errors_limbs=sums(member, size, error),
            absolute_errors_limbs=sums(member, size, np.abs(error)),
            squared_errors_limbs=sums(member, size, squared),
            relative_errors_limbs=sums(member[~zero], size, relative),
            label_deviations_limbs=sums(member, size, deviation),
            squared_label_deviations_limbs=sums(member, size, squared_deviation),
        )

    @property
    def errors(self) -> Floats:
        return total(self.errors_limbs)

    @property
    def absolute_errors(self) -> Floats:
        return total(self.absolute_errors_limbs)

    @property
    def squared_errors(self) -> Floats:
        return total(self.squared_errors_limbs)

    @property
    def relative_errors(self) -> Floats:
        return total(self.relative_errors_limbs)

    @property
    def label_deviations(self) -> Floats:
        return total(self.label_deviations_limbs)

    @property
    def squared_label_deviations(self) -> Floats:
        return total(self.squared_label_deviations_limbs)
