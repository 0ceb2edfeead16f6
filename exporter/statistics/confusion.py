"""Metrics of the confusion matrix."""

from __future__ import annotations

from exporter.summary.base import ratio
from exporter.summary.outcomes import GroupOutcomeSummary, OutcomeSummary

Confused = OutcomeSummary | GroupOutcomeSummary


def accuracy(summary: Confused) -> float | None:
    """Right predictions over classified ones. None where there are none."""
    return ratio(summary.confusion.trace(), summary.confusion.sum())


def precision(summary: Confused) -> float | None:
    """True positives over predicted positives. None where nothing was predicted positive."""
    return ratio(summary.confusion[1, 1], summary.confusion[:, 1].sum())


def recall(summary: Confused) -> float | None:
    """True positives over positives. None where there are no positives."""
    return ratio(summary.confusion[1, 1], summary.confusion[1].sum())


def false_positive_rate(summary: Confused) -> float | None:
    """False positives over negatives. None where there are no negatives."""
    return ratio(summary.confusion[0, 1], summary.confusion[0].sum())


def f1(summary: Confused) -> float | None:
    """2 TP / (2 TP + FP + FN). None where that is 0/0: nothing was positive, nor predicted to be.

    0 where there are positives and none was predicted, although the precision is 0/0 then.
    """
    true = 2 * float(summary.confusion[1, 1])
    return ratio(true, true + float(summary.confusion[0, 1] + summary.confusion[1, 0]))


def positive_ratio(summary: OutcomeSummary) -> float | None:
    """Positives among the labels. None where there are none."""
    return ratio(summary.labels[1], summary.labels.sum())
