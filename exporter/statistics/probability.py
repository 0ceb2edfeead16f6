"""How good scores are as probabilities."""

from __future__ import annotations

import numpy as np

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
