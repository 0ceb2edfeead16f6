"""Labelled predictions of binary classifiers: what AUC, calibration, log loss, confusion and estimates of them need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from exporter.summary.base import Codes, Flags, Floats, Groups, Merge, Summary, count, count_cells, merged_by

CALIBRATION_BINS = 15
_EDGES = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]
_EPSILON = float(np.finfo(np.float64).eps)
_OCTAVES, _PER_OCTAVE, _FAR_OCTAVES = 32, 128, 8

ROUNDING = 1e-6
"""How far a probability, or a sum of them, may lie outside of its range: float32 writes 1.0000001 for 1."""


def as_probabilities(values: Floats) -> Floats:
    """``values`` clipped to 0..1 where they are within ``ROUNDING`` of it; NaN for what is no probability."""
    possible = (values >= -ROUNDING) & (values <= 1 + ROUNDING)
    # -0.0 becomes 0.0.
    return np.where(possible, np.clip(values, 0.0, 1.0) + 0.0, np.nan)


def cells_of(per_octave: int, far: int = 0) -> int:
    """Return how many score cells there are, of the arguments of ``cell``."""
    return 2 * (_OCTAVES * per_octave + 1) + (far + 2 if far else 0)


CELLS = cells_of(_PER_OCTAVE)


def cell(scores: Floats, per_octave: int, far: int = 0) -> Codes:
    """The cell of each score, ascending; shape as ``scores``, values 0..cells_of(per_octave, far) - 1.

    Cells are 1/per_octave of an octave wide (128: at most 0.8 % of their distance to the nearer end; 8: 12.5 %),
    from both ends towards 0.5: scores that crowd near 0, as those of rare classes do, or near 1 are told apart.
    Distances under 2**-33 share one cell. With ``far``, those near 0 have that many cells more, each 8 octaves wide,
    and the first and the last cell hold what is exactly 0 and 1.
    """
    upper = scores > 0.5
    distance = np.where(upper, 1.0 - scores, scores)
    mantissa, exponent = np.frexp(np.maximum(distance, 2.0**-1000))
    # distance = mantissa * 2**exponent with mantissa in [0.5, 1); 0.5 itself has exponent 0.
    position = (exponent + _OCTAVES) * per_octave + np.floor((mantissa - 0.5) * 2 * per_octave)
    lower_half = np.clip(position, 0, _OCTAVES * per_octave).astype(np.intp)
    cells = cells_of(per_octave, far)
    if not far:
        found: Codes = np.where(upper, cells - 1 - lower_half, lower_half)
        return found
    found = np.where(upper, cells - 2 - lower_half, 1 + far + lower_half)
    beyond = ~upper & (exponent < -_OCTAVES)
    found[beyond] = np.maximum(far - (-_OCTAVES - 1 - exponent[beyond]) // _FAR_OCTAVES, 1)
    found[scores <= 0] = 0
    found[scores >= 1] = cells - 1
    return found


@dataclass(frozen=True, eq=False)
class CalibrationSummary(Summary):
    """Scores with what came of them, over the bins (k/15, (k+1)/15], 0 in the first.

    ``scored``: rows, whatever their weights. The others are sums of weights, shape (15,): ``calibration_rows`` of all
    rows, ``calibration_scores`` times the score, ``calibration_positives`` of rows where what was promised came.
    """

    scored: Floats = merged_by(Merge.SUM)
    calibration_rows: Floats = merged_by(Merge.SUM)
    calibration_scores: Floats = merged_by(Merge.SUM)
    calibration_positives: Floats = merged_by(Merge.SUM)

    @property
    def scored_weight(self) -> float:
        """Predictions that the scored rows stand for."""
        return float(self.calibration_rows.sum())


def calibration_arrays(
    scores: Floats, positive: Flags, groups: Groups, size: int, weights: Floats | None = None
) -> dict[str, Floats]:
    """Finite ``scores`` in 0..1 and whether the promised came, both (rows,), as a stack of ``size``.

    The fields of ``CalibrationSummary`` by their names.
    """
    bins = np.searchsorted(_EDGES, scores, side="left")
    one = np.ones(len(scores)) if weights is None else weights
    sums = {"rows": one, "scores": scores * one, "positives": positive * one}
    return {"scored": count(groups, size)} | {
        f"calibration_{name}": count_cells(groups, size, bins, CALIBRATION_BINS, values)
        for name, values in sums.items()
    }


def _confusion(
    predicted: Codes, labels: Codes, groups: Groups, size: int, weights: Floats | None = None
) -> Floats:
    """Rows by label and predicted class, shape (size, 2, 2), of those that have one."""
    known = predicted >= 0
    cells = labels[known] * 2 + predicted[known]
    return count_cells(groups[known], size, cells, 4, None if weights is None else weights[known]).reshape(
        size, 2, 2
    )


@dataclass(frozen=True, eq=False)
class OutcomeSummary(CalibrationSummary):
    """Labelled predictions of a binary classifier.

    ``labelled``, ``scored``, ``classified``: rows, those with a score, those with a predicted class; whatever
    their weights, for these say how much was seen. All else sums weights, for these say how much it stands for.
    ``labels``: (2,), by label. ``cells``: (2, CELLS), by label and score cell. ``lowest`` and ``highest``:
    (CELLS,), the extreme scores of each cell; equal where all its scores are tied. ``confusion``: (2, 2), by label
    and predicted class. ``log_loss`` and ``squared_error``: exact, the former over scores clipped to [eps, 1 - eps].
    """

    classes: ClassVar[tuple[str, ...]] = ("0", "1")
    """As references name them."""
    unknown_labels: ClassVar[float] = 0.0

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
    def fold(
        cls,
        scores: Floats,
        predicted: Codes,
        labels: Codes,
        groups: Groups,
        size: int,
        weights: Floats | None = None,
    ) -> Self:
        """A stack of ``size`` summaries.

        ``scores`` in 0..1 or NaN (not logged), ``predicted`` 0, 1 or -1 (not logged), ``labels`` 0 or 1;
        ``weights``: how many predictions each row stands for, 1 where None.
        """
        scored = np.isfinite(scores)
        score, label, member = scores[scored], labels[scored], groups[scored]
        weight = np.ones(len(score)) if weights is None else weights[scored]
        clipped = np.clip(score, _EPSILON, 1 - _EPSILON)
        log_loss = -np.where(label == 1, np.log(clipped), np.log1p(-clipped))
        cells = cell(score, _PER_OCTAVE)
        lowest = np.full(size * CELLS, np.inf)
        highest = np.full(size * CELLS, -np.inf)
        np.minimum.at(lowest, member * CELLS + cells, score)
        np.maximum.at(highest, member * CELLS + cells, score)
        return cls(
            **calibration_arrays(score, label == 1, member, size, weight),
            labelled=count(groups, size),
            classified=count(groups[predicted >= 0], size),
            labels=count_cells(groups, size, labels, 2, weights),
            cells=count_cells(member, size, label * CELLS + cells, 2 * CELLS, weight).reshape(size, 2, CELLS),
            lowest=lowest.reshape(size, CELLS),
            highest=highest.reshape(size, CELLS),
            confusion=_confusion(predicted, labels, groups, size, weights),
            log_loss=count(member, size, log_loss * weight),
            squared_error=count(member, size, (score - label) ** 2 * weight),
        )

    @property
    def labelled_weight(self) -> float:
        """Predictions that the labelled rows stand for."""
        return float(self.labels.sum())


@dataclass(frozen=True, eq=False)
class GroupOutcomeSummary(CalibrationSummary):
    """Labelled predictions of one group by a binary classifier; an ``OutcomeSummary`` without its cells.

    ``confusion_rows``: (2, 2), rows by label and predicted class, whatever their weights, for floors.
    ``confusion``: the same as sums of weights. ``labelled``: rows.
    """

    labelled: Floats = merged_by(Merge.SUM)
    confusion_rows: Floats = merged_by(Merge.SUM)
    confusion: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(
        cls,
        scores: Floats,
        predicted: Codes,
        labels: Codes,
        groups: Groups,
        size: int,
        weights: Floats | None = None,
    ) -> Self:
        """A stack of ``size`` summaries; the arguments are those of ``OutcomeSummary.fold``."""
        scored = np.isfinite(scores)
        share = None if weights is None else weights[scored]
        return cls(
            **calibration_arrays(scores[scored], labels[scored] == 1, groups[scored], size, share),
            labelled=count(groups, size),
            confusion_rows=_confusion(predicted, labels, groups, size),
            confusion=_confusion(predicted, labels, groups, size, weights),
        )


@dataclass(frozen=True, eq=False)
class ClassScoresSummary(Summary):
    """Rows by predicted class (0, 1) and bin (edge, next edge] of the score; ``counts``: shape (2, bins)."""

    edges: Floats
    counts: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, edges: Floats, scores: Floats, predicted: Codes, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries; rows without a score or a class are left out."""
        usable = np.isfinite(scores) & (predicted >= 0)
        bins = len(edges) + 1
        cells = predicted[usable] * bins + np.searchsorted(edges, scores[usable], side="left")
        return cls(edges, count_cells(groups[usable], size, cells, 2 * bins).reshape(size, 2, bins))
