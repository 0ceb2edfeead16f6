"""Labelled predictions of one group of people: what fairness compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Groups, Merge, count, merged_by
from exporter.summary.calibration import CalibrationSummary, calibration_arrays


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
        """A stack of ``size`` summaries; the arguments are those of ``OutcomeSummary.fold``."""
        scored = np.isfinite(scores)
        classified = predicted >= 0
        entries = (groups * 2 + labels)[classified] * 2 + predicted[classified]
        rows = count(entries, size * 4).reshape(size, 2, 2)
        return cls(
            **calibration_arrays(
                scores[scored],
                labels[scored] == 1,
                groups[scored],
                size,
                None if weights is None else weights[scored],
            ),
            labelled=count(groups, size),
            confusion_rows=rows,
            confusion=rows
            if weights is None
            else count(entries, size * 4, weights[classified]).reshape(size, 2, 2),
        )
