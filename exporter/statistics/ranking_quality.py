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


def auc_interval(summary: OutcomeSummary) -> tuple[float, float] | None:
    """The 95 % interval of ``auc_roc``, within 0 to 1: DeLong's standard error on the scale of the logit.

    Sources: DeLong, DeLong and Clarke-Pearson (1988); Pepe (2003) for the logit. Scores that share a cell count as
    equal. None where either class has fewer than two rows, or all positives lie above all negatives
    (or below): a sample without errors does not say how rare they are.
    """
    area, error = auc_roc(summary), auc_standard_error(summary)
    few = float(summary.cells.sum(axis=-1).min()) / mean_weight(summary)
    if area is None or error is None or few < 2 or not 0 < area < 1:
        return None
    middle = np.log(area / (1 - area))
    half = 1.959963984540054 * error / (area * (1 - area))
    low, high = 1 / (1 + np.exp(-(middle + np.array([-half, half]))))
    return float(low), float(high)


def auc_standard_error(summary: OutcomeSummary) -> float | None:
    """DeLong's standard error of ``auc_roc``, from counts by score cell (``placement_errors``).

    None where only one class is there.
    """
    # Weights count as rows of their mean weight.
    negatives, positives = summary.cells / mean_weight(summary)
    if not negatives.sum() or not positives.sum():
        return None
    return float(np.hypot(*placement_errors(negatives, positives)))


def placement_errors(negatives: Floats, positives: Floats) -> tuple[float, float]:
    """Standard errors of the AUC that come of the positives and of the negatives; DeLong et al. (1988).

    Counts in rows by score cell, ascending, shape (cells,); both classes must have some. Each class has one row more,
    which ranks half of the other class rightly: without it a sample in which all positives lie above all negatives
    would have no error.
    """
    # Of each score cell: the share of the other class that it ranks on the right side of.
    of_positives = (np.cumsum(negatives) - negatives / 2) / negatives.sum()
    of_negatives = 1 - (np.cumsum(positives) - positives / 2) / positives.sum()
    return _error_of_mean(of_positives, positives), _error_of_mean(of_negatives, negatives)


def _error_of_mean(values: Floats, rows: Floats) -> float:
    """Standard error of the mean of ``values``, one more of 0.5 among them."""
    number = float(rows.sum())
    mean = (rows @ values + 0.5) / (number + 1)
    variance = (rows @ (values - mean) ** 2 + (0.5 - mean) ** 2) / number
    return float(np.sqrt(variance / number))


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
