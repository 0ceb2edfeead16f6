"""Calibrated confidence in a predicted class, from the labels of a reference (CBPE)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from exporter.references.reference import Reference
from exporter.statistics.performance_estimation import Calibrated, calibrate
from exporter.summary.base import Floats
from exporter.tasks.task import Outputs


@dataclass(frozen=True, eq=False)
class CalibratedConfidence:
    """P(the predicted class is right), from one calibration per class.

    Each class is calibrated by itself, against all others, as NannyML's CBPE does; the chances of a row's classes
    need not sum to 1, and are not made to. ``calibrated``: one for each class, by its code. ``rows``: labelled rows
    behind the calibration.
    """

    calibrated: list[Calibrated]
    rows: float

    @classmethod
    def of(cls, references: Iterable[Reference], classes: tuple[str, ...]) -> CalibratedConfidence | None:
        """Calibrate by the first reference that has a calibration of every one of ``classes``."""
        for reference in references:
            known = [
                reference.class_calibration[name] for name in classes if name in reference.class_calibration
            ]
            curves = [calibrate(item.edges, item.rows, item.positives) for item in known]
            calibrated = [curve for curve in curves if curve is not None]
            if classes and len(calibrated) == len(classes):
                return cls(calibrated, min(float(item.rows.sum()) for item in known))
        return None

    def right(self, outputs: Outputs) -> Floats:
        """Return the chance of each output, shape (rows,); NaN where its class or its confidence is unknown."""
        chances = np.full(len(outputs.predicted), np.nan)
        for code in np.unique(outputs.predicted[outputs.predicted >= 0]).tolist():
            mine = np.flatnonzero((outputs.predicted == code) & np.isfinite(outputs.confidence))
            curve = self.calibrated[code]
            bins = np.searchsorted(curve.edges, outputs.confidence[mine], side="left")
            chances[mine] = curve.probabilities[bins]
        return chances

    def signature(self) -> bytes:
        """Return bytes that differ where sums of chances would not merge."""
        return b"".join(
            curve.edges.tobytes() + b"\0" + curve.probabilities.tobytes() for curve in self.calibrated
        )
