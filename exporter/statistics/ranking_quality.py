"""How well scores rank positives above negatives."""

from __future__ import annotations

import numpy as np

from exporter.summary.outcomes import OutcomeSummary


def auc_roc(summary: OutcomeSummary) -> float | None:
    """P(score of a positive > score of a negative) + P(equal) / 2; Hanley and McNeil (1982).

    Scores in one cell count as equal: off by at most ``auc_roc_bound``. None where only one class is there.
    """
    negatives, positives = summary.cells
    if not negatives.sum() or not positives.sum():
        return None
    below = np.cumsum(negatives) - negatives
    wins = positives @ (below + negatives / 2)
    return float(wins / (positives.sum() * negatives.sum()))


def auc_roc_bound(summary: OutcomeSummary) -> float:
    """Largest possible error of ``auc_roc``: half the chance that a positive and a negative share a cell."""
    negatives, positives = summary.cells
    return float(positives @ negatives / (2 * positives.sum() * negatives.sum()))


def average_precision(summary: OutcomeSummary) -> float | None:
    """Mean over positives of the precision at their score: sum((R[n] - R[n-1]) * P[n]).

    Exact where the scores of a cell are tied; elsewhere its positives and negatives are taken as evenly
    mixed. None where there are no positives.
    """
    negatives, positives = (cells[::-1] for cells in summary.cells)
    occupied = positives > 0
    if not occupied.any():
        return None
    tied = (summary.lowest == summary.highest)[::-1][occupied]
    positives_above = (np.cumsum(positives) - positives)[occupied]
    negatives_above = (np.cumsum(negatives) - negatives)[occupied]
    here, against = positives[occupied], negatives[occupied]
    repeats = here.astype(np.intp)
    cell = np.repeat(np.arange(len(here)), repeats)
    order = np.arange(len(cell)) - (np.cumsum(repeats) - repeats)[cell] + 1.0
    # The i-th positive of a mixed cell has, on average, the share (i - 1/2)/here of its negatives above it.
    true = positives_above[cell] + np.where(tied[cell], here[cell], order)
    false = negatives_above[cell] + against[cell] * np.where(tied[cell], 1.0, (order - 0.5) / here[cell])
    return float(np.mean(true / (true + false)))
