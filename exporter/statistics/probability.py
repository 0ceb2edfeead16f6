"""How good scores are as probabilities."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Floats
from exporter.summary.outcomes import OutcomeSummary


def log_loss(summary: OutcomeSummary) -> float | None:
    """Mean of -ln P(label), scores clipped to [eps, 1 - eps] of float64. Exact. None without scores."""
    return float(summary.log_loss / summary.scored) if summary.scored else None


def brier_score(summary: OutcomeSummary) -> float | None:
    """Mean of (score - label)**2; Brier (1950). Exact. None without scores."""
    return float(summary.squared_error / summary.scored) if summary.scored else None


def expected_calibration_error(summary: OutcomeSummary) -> float | None:
    """Mean over rows of |mean score - share of positives| of their bin; Naeini et al. (2015).

    15 equal-width bins (lo, hi], 0 in the first. Exact. None without scores.
    """
    if not summary.scored:
        return None
    gaps = np.abs(summary.calibration_scores - summary.calibration_positives)
    return float(gaps.sum() / summary.scored)


def maximum_calibration_error(summary: OutcomeSummary) -> float | None:
    """Largest |mean score - share of positives| of any bin that has rows; Naeini et al. (2015).

    The bins of ``expected_calibration_error``. Exact. None without scores.
    """
    confidence, observed = reliability(summary)
    gaps = np.abs(confidence - observed)
    return float(np.nanmax(gaps)) if summary.scored else None


def reliability(summary: OutcomeSummary) -> tuple[Floats, Floats]:
    """(mean score, share of positives) of each calibration bin, shape (15,) each; NaN where a bin has no rows."""
    rows = np.where(summary.calibration_rows > 0, summary.calibration_rows, np.nan)
    return summary.calibration_scores / rows, summary.calibration_positives / rows
