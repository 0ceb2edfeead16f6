"""Scores by label: what AUC, calibration, log loss and the confusion matrix need, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Groups, Merge, count, merged_by
from exporter.summary.calibration import CALIBRATION_BINS as CALIBRATION_BINS
from exporter.summary.calibration import CalibrationSummary, calibration_arrays
from exporter.summary.score_cells import cell, cells_of

_PER_OCTAVE = 128
CELLS = cells_of(_PER_OCTAVE)
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class OutcomeSummary(CalibrationSummary):
    """Labelled predictions of a binary classifier.

    ``labelled``, ``scored``, ``classified``: rows, those with a score, those with a predicted class; whatever
    their weights, for these say how much was seen. All else sums weights, for these say how much it stands for.
    ``labels``: (2,), by label. ``cells``: (2, CELLS), by label and score cell. ``lowest`` and ``highest``:
    (CELLS,), the extreme scores of each cell; equal where all its scores are tied. ``confusion``: (2, 2), by label
    and predicted class. ``log_loss`` and ``squared_error``: exact, the former over scores clipped to [eps, 1 - eps].
    """

    labelled: Floats = merged_by(Merge.SUM)
    classified: Floats = merged_by(Merge.SUM)
    labels: Floats = merged_by(Merge.SUM)
    cells: Floats = merged_by(Merge.SUM)
    lowest: Floats = merged_by(Merge.MINIMUM)
    highest: Floats = merged_by(Merge.MAXIMUM)
    confusion: Floats = merged_by(Merge.SUM)
    log_loss: Floats = merged_by(Merge.SUM)
    squared_error: Floats = merged_by(Merge.SUM)

    @classmethod
    def empty(cls) -> Self:
        nothing = np.empty(0, dtype=np.intp)
        return cls.fold(np.empty(0), nothing, nothing, nothing, 1)[0]

    @classmethod
    def fold(
        cls,
        scores: Floats,
        predicted: npt.NDArray[np.intp],
        labels: npt.NDArray[np.intp],
        groups: Groups,
        size: int,
        weights: Floats | None = None,
    ) -> Self:
        """A stack of ``size`` summaries.

        ``scores`` in 0..1 or NaN (not logged), ``predicted`` 0, 1 or -1 (not logged), ``labels`` 0 or 1;
        ``weights``: how many predictions each row stands for, 1 where None.
        """
        scored = np.isfinite(scores)
        classified = predicted >= 0
        score, label, member = scores[scored], labels[scored], groups[scored]
        weight = np.ones(len(score)) if weights is None else weights[scored]
        clipped = np.clip(score, _EPSILON, 1 - _EPSILON)
        log_loss = -np.where(label == 1, np.log(clipped), np.log1p(-clipped))
        cells = cell(score, _PER_OCTAVE)
        lowest = np.full(size * CELLS, np.inf)
        highest = np.full(size * CELLS, -np.inf)
        np.minimum.at(lowest, member * CELLS + cells, score)
        np.maximum.at(highest, member * CELLS + cells, score)
        entries = (groups * 2 + labels)[classified] * 2 + predicted[classified]
        return cls(
            **calibration_arrays(score, label == 1, member, size, weight),
            labelled=count(groups, size),
            classified=count(groups[classified], size),
            labels=count(groups * 2 + labels, size * 2, weights).reshape(size, 2),
            cells=count((member * 2 + label) * CELLS + cells, size * 2 * CELLS, weight).reshape(
                size, 2, CELLS
            ),
            lowest=lowest.reshape(size, CELLS),
            highest=highest.reshape(size, CELLS),
            confusion=count(entries, size * 4, None if weights is None else weights[classified]).reshape(
                size, 2, 2
            ),
            log_loss=count(member, size, log_loss * weight),
            squared_error=count(member, size, (score - label) ** 2 * weight),
        )

    @property
    def labelled_weight(self) -> float:
        """Predictions that the labelled rows stand for."""
        return float(self.labels.sum())
