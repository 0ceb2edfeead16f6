"""Calibration of the probabilities of several classes, one class at a time (CBPE)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from exporter.references.reference import Calibration, Reference
from exporter.statistics.performance_estimation import Calibrated, calibrate
from exporter.summary.base import Codes, Floats, Groups, quotients
from exporter.summary.class_chances import SCORE_BINS, ClassChancesSummary
from exporter.tasks.task import Outputs


@dataclass(frozen=True, eq=False)
class ClassCalibration:
    """Chances of the classes of a row, by the labels of a reference.

    Each class is calibrated against all others, and the chances of a row are then made to sum to 1, as NannyML's CBPE
    does. ``curves``: one for each class, by its code. ``bins``: the score bin of each of its bins. ``rows``: labelled
    rows behind the calibration.
    """

    curves: list[Calibrated]
    bins: list[Codes]
    rows: float

    @classmethod
    def of(cls, references: Iterable[Reference], classes: tuple[str, ...]) -> ClassCalibration | None:
        """Calibrate by the first reference that has a calibration of every one of ``classes``."""
        for reference in references:
            known = [
                reference.class_calibration[name] for name in classes if name in reference.class_calibration
            ]
            found = [calibrate(item.edges, item.rows, item.positives) for item in known]
            curves = [curve for curve in found if curve is not None]
            if classes and len(curves) == len(classes):
                bins = [_coarse(item, curve) for item, curve in zip(known, curves, strict=True)]
                return cls(curves, bins, min(float(item.rows.sum()) for item in known))
        return None

    def fold(self, outputs: Outputs, groups: Groups, size: int) -> ClassChancesSummary:
        """Return a stack of ``size`` summaries of the outputs that have all probabilities and a predicted class."""
        width = len(self.curves)
        probabilities = outputs.probabilities
        if probabilities is None:
            probabilities = np.full((len(groups), width), np.nan)
        usable = np.flatnonzero((outputs.predicted >= 0) & np.isfinite(probabilities).all(axis=1))
        chances, bins = np.empty((len(usable), width)), np.empty((len(usable), width), dtype=np.intp)
        for code, (curve, coarse) in enumerate(zip(self.curves, self.bins, strict=True)):
            fine = np.searchsorted(curve.edges, probabilities[usable, code], side="left")
            chances[:, code], bins[:, code] = curve.probabilities[fine], coarse[fine]
        whole = chances.sum(axis=1, keepdims=True)
        # Where no class has a chance, each has the same.
        np.divide(chances, whole, out=chances, where=whole > 0)
        chances[whole[:, 0] <= 0] = 1 / width
        return ClassChancesSummary.fold(bins, chances, outputs.predicted[usable], groups[usable], size)

    def signature(self) -> bytes:
        """Return bytes that differ where sums of chances would not merge."""
        return b"".join(
            curve.edges.tobytes() + b"\0" + curve.probabilities.tobytes() for curve in self.curves
        )


def _coarse(reference: Calibration, curve: Calibrated) -> Codes:
    """Bins of scores, in order, each with about as many of the reference's positives or rows as any other."""
    masses = np.zeros(len(curve.probabilities))
    for part in (reference.rows, reference.rows * curve.probabilities):
        masses += quotients(part, np.full(len(part), part.sum()), 0.0)
    middles: Floats = (np.cumsum(masses) - masses / 2) / max(float(masses.sum()), 1.0)
    return np.minimum((middles * SCORE_BINS).astype(np.intp), SCORE_BINS - 1)
