"""Ranking of positives above negatives by their scores: AUC-ROC and average precision."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from exporter.summary.base import Flags, Floats
from exporter.summary.outcomes import CalibrationSummary, OutcomeSummary


def auc_roc(summary: OutcomeSummary) -> float | None:
    """P(score of a positive > score of a negative) + P(equal) / 2; Hanley and McNeil (1982).

    Scores in one cell count as equal: off by at most half the chance that a positive and a negative share a cell.
    None where only one class is there.
    """
    return auc_of_cells(*summary.cells)


def average_precision(summary: OutcomeSummary) -> float | None:
    """Mean over positives of the precision at their score: sum((R[n] - R[n-1]) * P[n]).

    Exact where the scores of a cell are tied; elsewhere its positives and negatives are taken as evenly
    mixed, each of the mean weight: off by at most the distance to the best and the worst order in each cell.
    None where there are no positives.
    """
    negatives, positives = summary.cells
    tied: Flags = summary.lowest == summary.highest
    return average_precision_of_cells(negatives, positives, tied, mean_weight(summary))


def auc_of_cells(negatives: Floats, positives: Floats) -> float | None:
    """``auc_roc`` of counts by score cell, ascending, shape (cells,)."""
    if not negatives.sum() or not positives.sum():
        return None
    below = np.cumsum(negatives) - negatives
    wins = positives @ (below + negatives / 2)
    return float(wins / (positives.sum() * negatives.sum()))


def average_precision_of_cells(
    negatives: Floats, positives: Floats, tied: Flags, row_weight: float
) -> float | None:
    """``average_precision`` of counts by score cell; ``tied``: (cells,), where all scores of a cell are equal."""
    if not positives.any():
        return None
    sums = precisions(from_the_top(negatives, positives, tied), row_weight)
    return float(sums.sum() / positives.sum())


def mean_weight(summary: CalibrationSummary) -> float:
    """Mean weight of the scored rows; 1 where there are none."""
    return summary.scored_weight / float(summary.scored) if summary.scored else 1.0


class Ranked(NamedTuple):
    """The cells that hold positives, from the highest score; shape (cells with positives,) each."""

    true: Floats  # positives above the cell
    false: Floats  # negatives above the cell
    here: Floats  # positives in the cell
    against: Floats  # negatives in the cell
    tied: Flags


def from_the_top(negatives: Floats, positives: Floats, tied: Flags) -> Ranked:
    positives, negatives, tied = positives[::-1], negatives[::-1], tied[::-1]
    occupied = positives > 0
    return Ranked(
        (np.cumsum(positives) - positives)[occupied],
        (np.cumsum(negatives) - negatives)[occupied],
        positives[occupied],
        negatives[occupied],
        tied[occupied],
    )


def precisions(ranked: Ranked, row_weight: float) -> Floats:
    """Sum of the precision over the positives of each cell.

    The i-th of n positives of a cell has on average the share (i - 1/2)/n of its negatives above it; the sum
    over i of (true + i) / (true + false + i + against (i - 1/2)/n) is closed by the digamma function.
    """
    from scipy.special import digamma

    true, false, here, against, tied = ranked
    number = np.maximum(np.rint(here / row_weight), 1.0)
    step = here / number
    before, slope = true / step, 1 + against / here
    start = before + false / step - (slope - 1) / 2
    offset = start / slope
    harmonic = digamma(number + 1 + offset) - digamma(1 + offset)
    mixed = (number + (before - offset) * harmonic) / slope * step
    return np.where(tied, here * (true + here) / (true + here + false + against), mixed)
