"""Metrics of the confusion matrix."""

from __future__ import annotations

from exporter.summary.group_outcomes import GroupOutcomeSummary
from exporter.summary.outcomes import OutcomeSummary

Confused = OutcomeSummary | GroupOutcomeSummary


def accuracy(summary: Confused) -> float | None:
    """Right predictions over classified ones. None where there are none."""
    return _ratio(float(summary.confusion.trace()), float(summary.confusion.sum()))


def precision(summary: Confused) -> float | None:
    """True positives over predicted positives. None where nothing was predicted positive."""
    return _ratio(float(summary.confusion[1, 1]), float(summary.confusion[:, 1].sum()))


def recall(summary: Confused) -> float | None:
    """True positives over positives. None where there are no positives."""
    return _ratio(float(summary.confusion[1, 1]), float(summary.confusion[1].sum()))


def false_positive_rate(summary: Confused) -> float | None:
    """False positives over negatives. None where there are no negatives."""
    return _ratio(float(summary.confusion[0, 1]), float(summary.confusion[0].sum()))


def f1(summary: Confused) -> float | None:
    """2 TP / (2 TP + FP + FN). None where that is 0/0: nothing was positive, nor predicted to be.

    0 where there are positives and none was predicted, although the precision is 0/0 then.
    """
    true = 2 * float(summary.confusion[1, 1])
    return _ratio(true, true + float(summary.confusion[0, 1] + summary.confusion[1, 0]))


def positive_ratio(summary: OutcomeSummary) -> float | None:
    """Positives among the labels. None where there are none."""
    return _ratio(float(summary.labels[1]), float(summary.labels.sum()))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
