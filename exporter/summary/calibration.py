"""Calibration bins: what was promised, and what came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Groups, Merge, Summary, count, merged_by

CALIBRATION_BINS = 15
_EDGES = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]


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


class CalibrationArrays(TypedDict):
    """The fields of ``CalibrationSummary``, stacked."""

    scored: Floats
    calibration_rows: Floats
    calibration_scores: Floats
    calibration_positives: Floats


def calibration_arrays(
    scores: Floats,
    positive: npt.NDArray[np.bool_],
    groups: Groups,
    size: int,
    weights: Floats | None = None,
) -> CalibrationArrays:
    """Finite ``scores`` in 0..1 and whether the promised came, both (rows,), as a stack of ``size``."""
    places = groups * CALIBRATION_BINS + np.searchsorted(_EDGES, scores, side="left")
    one = np.ones(len(scores)) if weights is None else weights

    def by_bin(values: Floats) -> Floats:
        return count(places, size * CALIBRATION_BINS, values).reshape(size, CALIBRATION_BINS)

    return CalibrationArrays(
        scored=count(groups, size),
        calibration_rows=by_bin(one),
        calibration_scores=by_bin(scores * one),
        calibration_positives=by_bin(positive * one),
    )
