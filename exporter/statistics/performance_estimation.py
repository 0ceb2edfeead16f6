"""Confidence-based performance estimation (CBPE): the quality of a model while no label has come.

Source: Białek et al., "Estimating Model Performance Under Covariate Shift Without Labels" (2024); NannyML's CBPE. A
score, calibrated on the reference's labels, is the chance that its prediction is a positive; sums of such chances are
the expected cells of the confusion matrix. Right where inputs changed and P(label | score) did not; a changed
concept is not seen.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from exporter.statistics.ranking_quality import auc_of_cells
from exporter.summary.base import Floats, ratio
from exporter.summary.outcomes import ClassScoresSummary


class Calibrated(NamedTuple):
    """P(positive) by score bin (edge, next edge], the outer ones open, never falling.

    ``edges``: shape (bins - 1,). ``probabilities``: shape (bins,).
    """

    edges: Floats
    probabilities: Floats


class Expected(NamedTuple):
    """Expected ``negatives`` and ``positives`` by predicted class (0, 1) and score bin; shape (2, bins) each."""

    negatives: Floats
    positives: Floats


def calibrate(edges: Floats, rows: Floats, positives: Floats) -> Calibrated | None:
    """Isotonic regression of the share of positives over score bins; Barlow et al. (1972), Zadrozny and Elkan (2002).

    ``rows`` and ``positives``: shape (bins,), labelled rows of the reference and those that were positive. A bin
    without rows lies between its neighbours, linearly in the score; beyond the outermost bins with rows their values
    hold. None where no bin has rows.
    """
    known = np.flatnonzero(rows > 0)
    if not len(known):
        return None
    fitted = _never_falling(positives[known] / rows[known], rows[known])
    inner = (edges[:-1] + edges[1:]) / 2
    middles = np.concatenate([edges[:1], inner, edges[-1:]]) if len(edges) else np.zeros(1)
    probabilities = np.interp(middles, middles[known], fitted)
    # With a single edge both bins have one middle, and neither is between the other.
    probabilities[known] = fitted
    return Calibrated(edges, probabilities)


def expect(summary: ClassScoresSummary, calibrated: Calibrated) -> Expected:
    """Compute the cells to expect from the scores. The summary's edges must hold those of the calibration."""
    last = len(calibrated.edges)
    at = np.append(np.searchsorted(calibrated.edges, summary.edges, side="left"), last)
    positives = summary.counts * calibrated.probabilities[at]
    return Expected(summary.counts - positives, positives)


def estimated_accuracy(expected: Expected) -> float | None:
    """Expected right predictions over predictions. None where there are none.

    Counting by bin loses nothing against CBPE of each row with the same calibration. Against the true P(label |
    score), if that never falls: off by at most the noise of the reference's labels and the mean over rows of the larger
    step from the probability of their bin to that of a neighbour.
    """
    right = float(expected.negatives[0].sum() + expected.positives[1].sum())
    return ratio(right, expected.negatives.sum() + expected.positives.sum())


def estimated_precision(expected: Expected) -> float | None:
    """Expected true positives over predicted positives; as exact as the accuracy. None where there are none."""
    true = float(expected.positives[1].sum())
    return ratio(true, true + float(expected.negatives[1].sum()))


def estimated_recall(expected: Expected) -> float | None:
    """Expected true positives over expected positives; as exact as the accuracy. None where there are none."""
    return ratio(float(expected.positives[1].sum()), float(expected.positives.sum()))


def estimated_f1(expected: Expected) -> float | None:
    """2 TP / (2 TP + FP + FN) of the expected counts. None where precision or recall is 0/0."""
    if estimated_precision(expected) is None or estimated_recall(expected) is None:
        return None
    true = 2 * float(expected.positives[1].sum())
    return ratio(true, true + float(expected.negatives[1].sum() + expected.positives[0].sum()))


def estimated_auc_roc(expected: Expected) -> float | None:
    """Chance that an expected positive has a higher score than an expected negative, ties one half.

    Scores of one bin count as equal, which loses nothing against CBPE of each row with the same calibration.
    Against any order in the bins: off by at most half the chance that an expected positive and an expected negative
    share one. None where only one class is expected.
    """
    return auc_of_cells(expected.negatives.sum(axis=0), expected.positives.sum(axis=0))


def _never_falling(values: Floats, weights: Floats) -> Floats:
    """The closest sequence (weighted least squares) that never falls: neighbours that do are pooled."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, number = value, weight, 1
        while pools and pools[-1][0] >= mean:
            before, others, more = pools.pop()
            mean = (before * others + mean * total) / (others + total)
            total, number = total + others, number + more
        pools.append((mean, total, number))
    return np.repeat([mean for mean, *_ in pools], [number for *_, number in pools])
