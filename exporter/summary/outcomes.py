"""Scores by label: what AUC, calibration, log loss and the confusion matrix need, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Groups, Merge, Summary, count, count_cells, merged_by

CALIBRATION_BINS = 15
_CALIBRATION_EDGES = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]
_OCTAVES = 32
_PER_OCTAVE = 128
_HALF = _OCTAVES * _PER_OCTAVE + 1
CELLS = 2 * _HALF
_EPSILON = float(np.finfo(np.float64).eps)


def cell(scores: Floats) -> npt.NDArray[np.intp]:
    """The cell of each score in 0..1, ascending with the score; shape as ``scores``, values 0..CELLS - 1.

    Cells are 1/128 of an octave wide (at most 0.8 % of their distance to the nearer end), from both ends
    towards 0.5: scores that crowd near 0, as those of rare classes do, or near 1 are told apart.
    Distances under 2**-33 share one cell.
    """
    upper = scores > 0.5
    distance = np.where(upper, 1.0 - scores, scores)
    mantissa, exponent = np.frexp(np.maximum(distance, 2.0**-60))
    # distance = mantissa * 2**exponent with mantissa in [0.5, 1); 0.5 itself has exponent 0.
    position = (exponent + _OCTAVES) * _PER_OCTAVE + np.floor((mantissa - 0.5) * 2 * _PER_OCTAVE)
    lower_half = np.clip(position, 0, _HALF - 1).astype(np.intp)
    cells: npt.NDArray[np.intp] = np.where(upper, CELLS - 1 - lower_half, lower_half)
    return cells


@dataclass(frozen=True, eq=False)
class OutcomeSummary(Summary):
    """Labelled predictions of a binary classifier.

    ``cells``: (2, CELLS), rows by label and score cell. ``lowest`` and ``highest``: (CELLS,), the extreme
    scores of each cell; equal where all its scores are tied. ``confusion``: (2, 2), by label and predicted class.
    ``calibration_*``: (15,), over the bins (k/15, (k+1)/15], 0 in the first. ``log_loss`` and
    ``squared_error`` are exact sums, the former over scores clipped to [eps, 1 - eps].
    """

    labelled: Floats = merged_by(Merge.SUM)
    scored: Floats = merged_by(Merge.SUM)
    cells: Floats = merged_by(Merge.SUM)
    lowest: Floats = merged_by(Merge.MINIMUM)
    highest: Floats = merged_by(Merge.MAXIMUM)
    confusion: Floats = merged_by(Merge.SUM)
    log_loss: Floats = merged_by(Merge.SUM)
    squared_error: Floats = merged_by(Merge.SUM)
    calibration_rows: Floats = merged_by(Merge.SUM)
    calibration_scores: Floats = merged_by(Merge.SUM)
    calibration_positives: Floats = merged_by(Merge.SUM)

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
    ) -> Self:
        """A stack of ``size`` summaries.

        ``scores`` in 0..1 or NaN (not logged), ``predicted`` 0, 1 or -1 (not logged), ``labels`` 0 or 1.
        """
        scored = np.isfinite(scores)
        classified = predicted >= 0
        score, label, member = scores[scored], labels[scored], groups[scored]
        clipped = np.clip(score, _EPSILON, 1 - _EPSILON)
        log_loss = -np.where(label == 1, np.log(clipped), np.log1p(-clipped))
        cells = cell(score)
        lowest = np.full(size * CELLS, np.inf)
        highest = np.full(size * CELLS, -np.inf)
        np.minimum.at(lowest, member * CELLS + cells, score)
        np.maximum.at(highest, member * CELLS + cells, score)
        place = member * CALIBRATION_BINS + np.searchsorted(_CALIBRATION_EDGES, score, side="left")
        shape = (size, CALIBRATION_BINS)
        places = size * CALIBRATION_BINS
        return cls(
            labelled=count(groups, size),
            scored=count(member, size),
            cells=count_cells(member, size, label * CELLS + cells, 2 * CELLS).reshape(size, 2, CELLS),
            lowest=lowest.reshape(size, CELLS),
            highest=highest.reshape(size, CELLS),
            confusion=count_cells(
                groups[classified], size, labels[classified] * 2 + predicted[classified], 4
            ).reshape(size, 2, 2),
            log_loss=count(member, size, log_loss),
            squared_error=count(member, size, (score - label) ** 2),
            calibration_rows=count(place, places).reshape(shape),
            calibration_scores=count(place, places, score).reshape(shape),
            calibration_positives=count(place, places, label.astype(np.float64)).reshape(shape),
        )
