"""Scores as probabilities: log loss, Brier score, calibration."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Floats, ratio
from exporter.summary.multiclass import MulticlassOutcomeSummary
from exporter.summary.outcomes import CalibrationSummary, OutcomeSummary

Scored = OutcomeSummary | MulticlassOutcomeSummary


def log_loss(summary: Scored) -> float | None:
    """Mean of -ln P(label), scores clipped to [eps, 1 - eps] of float64. Exact. None without scores."""
    return ratio(summary.log_loss, summary.scored_weight)


def brier_score(summary: Scored) -> float | None:
    """Binary: mean of (score - label)**2, 0..1. Several classes: mean of its sum over classes, 0..2; Brier (1950).

    Two classes of a multiclass summary are read as binary, as scikit-learn does. Exact. None without scores.
    """
    halved = isinstance(summary, MulticlassOutcomeSummary) and len(summary.classes) <= 2
    return ratio(summary.squared_error, summary.scored_weight * (2 if halved else 1))


def expected_calibration_error(summary: CalibrationSummary) -> float | None:
    """Mean over rows of |mean score - share of positives| of their bin; Naeini et al. (2015).

    15 equal-width bins (lo, hi], 0 in the first. Several classes: of the highest probability, against whether
    that class was right; Guo et al. (2017). Exact. None without scores.
    """
    gaps = np.abs(summary.calibration_scores - summary.calibration_positives)
    return ratio(gaps.sum(), summary.scored_weight)


def maximum_calibration_error(summary: CalibrationSummary) -> float | None:
    """Largest |mean score - share of positives| of any bin that has rows; Naeini et al. (2015).

    The bins of ``expected_calibration_error``. Exact. None without scores.
    """
    if not summary.scored_weight:
        return None
    confidence, observed = reliability(summary)
    return float(np.nanmax(np.abs(confidence - observed)))


def reliability(summary: CalibrationSummary) -> tuple[Floats, Floats]:
    """(mean score, share of positives) of each calibration bin, shape (15,) each; NaN where a bin has no rows."""
    rows = np.where(summary.calibration_rows > 0, summary.calibration_rows, np.nan)
    return summary.calibration_scores / rows, summary.calibration_positives / rows
