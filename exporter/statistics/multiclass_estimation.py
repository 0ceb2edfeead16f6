"""Confidence-based performance estimation (CBPE) of several classes, from the chances of each.

Source: NannyML's CBPE: each class against the rest, as of a binary model, then averaged. See
``performance_estimation`` for what it rests on.
"""

from __future__ import annotations

import numpy as np

from exporter.statistics.multiclass import Average, averaged
from exporter.statistics.ranking_quality import auc_of_cells
from exporter.summary.base import quotients, ratio
from exporter.summary.class_chances import ClassChancesSummary


def estimated_accuracy(summary: ClassChancesSummary) -> float | None:
    """Expected right predictions over predictions: the mean chance of the predicted class. None where there are none.

    Chances are rounded to 2**-20, which is all that counting loses against CBPE of each row.
    """
    return ratio(summary.right.sum(), summary.predicted.sum())


def estimated_precision(summary: ClassChancesSummary, average: Average) -> float | None:
    """Mean of each class's expected right ones among those predicted so, where some were. As exact as the accuracy."""
    return averaged(quotients(summary.right, summary.predicted), summary.labels, average)


def estimated_recall(summary: ClassChancesSummary, average: Average) -> float | None:
    """Mean of each class's expected right ones among its expected labels. As exact as the accuracy."""
    return averaged(quotients(summary.right, summary.labels), summary.labels, average)


def estimated_f1(summary: ClassChancesSummary, average: Average) -> float | None:
    """Mean of each class's 2 TP / (2 TP + FP + FN) of the expected counts. As exact as the accuracy."""
    return averaged(quotients(2 * summary.right, summary.predicted + summary.labels), summary.labels, average)


def estimated_auc_roc(summary: ClassChancesSummary, average: Average) -> float | None:
    """Mean of the estimated AUC of each class against the rest, where both are expected.

    Scores of one of 64 bins of a class count as equal: off by at most half the chance that an expected positive and an
    expected negative share one, which is under 0.02 where the scores are spread as in the reference.
    """
    found = [
        auc_of_cells(rows - positives, positives)
        for rows, positives in zip(summary.rows, summary.positives, strict=True)
    ]
    values = np.array([np.nan if value is None else value for value in found])
    return averaged(values, summary.labels, average)
