"""Fairness of a binary classifier between groups. A group under its floor is left out, never read as unfair."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.statistics.confusion import false_positive_rate, recall
from exporter.summary.base import ratio
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.outcomes import GroupOutcomeSummary


def selection_rate(predictions: CategoricalSummary) -> float | None:
    """Share of the second class, the positive one, among all predictions of a group. None where there are none."""
    return ratio(predictions.counts[1], predictions.counts.sum())


def positives(group: GroupOutcomeSummary) -> float:
    """Rows, whatever their weights, that the true-positive rate rests on."""
    return float(group.confusion_rows[1].sum())


def negatives(group: GroupOutcomeSummary) -> float:
    """Rows, whatever their weights, that the false-positive rate rests on."""
    return float(group.confusion_rows[0].sum())


def demographic_parity_ratio(groups: Iterable[CategoricalSummary], floor: float) -> float | None:
    """Smallest selection rate over the largest, among groups of ``floor`` predictions or more.

    Agarwal et al. (2018). Exact. None where fewer than two such groups are left, or no one is selected in any.
    """
    rates = [
        rate
        for group in groups
        if float(group.counts.sum()) >= floor and (rate := selection_rate(group)) is not None
    ]
    return min(rates) / max(rates) if len(rates) >= 2 and max(rates) > 0 else None


def equalized_odds_difference(groups: Iterable[GroupOutcomeSummary], floor: float) -> float | None:
    """The larger of the largest differences between groups in true- and in false-positive rate.

    A rate is compared among groups of ``floor`` or more positives (negatives, for the false-positive rate).
    Hardt et al. (2016), Agarwal et al. (2018). Exact. None where either rate has fewer than two such groups: the
    other alone would be a lower bound that reads as the whole.
    """
    members = list(groups)
    differences = []
    for rate, rows in ((recall, positives), (false_positive_rate, negatives)):
        rates = [value for group in members if rows(group) >= floor and (value := rate(group)) is not None]
        if len(rates) < 2:
            return None
        differences.append(max(rates) - min(rates))
    return max(differences)
