"""Chances of the classes of predictions that have no label yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Codes, Floats, Groups, Merge, Summary, count_cells, merged_by

SCORE_BINS = 64
# Sums of so rounded chances are exact, to 2**33 rows, whatever their order.
_ROUNDED = 2.0**-20


@dataclass(frozen=True, eq=False)
class ClassChancesSummary(Summary):
    """Predictions of K classes with all probabilities, and the chance that each class is the label.

    ``predicted``: (K,), rows by predicted class. ``right``: (K,), sums of the chance of the predicted class, by class.
    ``rows`` and ``positives``: (K, SCORE_BINS), by bin of the probability of each class: rows, and sums of its chance.
    """

    predicted: Floats = merged_by(Merge.SUM)
    right: Floats = merged_by(Merge.SUM)
    rows: Floats = merged_by(Merge.SUM)
    positives: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, bins: Codes, chances: Floats, predicted: Codes, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries of ``bins``, (rows, K) in 0..SCORE_BINS - 1, and ``chances``, (rows, K)."""
        width = chances.shape[1]
        rounded = np.round(chances / _ROUNDED) * _ROUNDED
        rows, positives = (np.zeros((size, width, SCORE_BINS)) for _ in range(2))
        for code in range(width):
            rows[:, code] = count_cells(groups, size, bins[:, code], SCORE_BINS)
            positives[:, code] = count_cells(groups, size, bins[:, code], SCORE_BINS, rounded[:, code])
        return cls(
            predicted=count_cells(groups, size, predicted, width),
            right=count_cells(groups, size, predicted, width, rounded[np.arange(len(predicted)), predicted]),
            rows=rows,
            positives=positives,
        )

    @property
    def labels(self) -> Floats:
        """Expected labels of each class, shape (K,)."""
        found: Floats = self.positives.sum(axis=-1)
        return found
