"""Fairness gauges: whether groups of people are treated alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.measure.gauges import Gauges, Reason
from exporter.statistics import fairness
from exporter.statistics.confusion import false_positive_rate, recall
from exporter.statistics.probability import expected_calibration_error
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.composite import Composite
from exporter.summary.outcomes import GroupOutcomeSummary

_OF_LABELS = ("true_positive_rate", "false_positive_rate", "calibration_error")


@dataclass(frozen=True)
class GroupSummaries:
    """Summaries of the groups of one attribute in one window. ``selections`` and ``outcomes``: by group.

    ``floor``: a rate of a group that rests on fewer rows is withheld and left out of comparisons; so is what needs
    labels of a group of whose predictions a smaller share than ``least_coverage`` has one. ``labelled``: whether
    there is a label log.
    """

    gauges: Gauges
    version: str
    window: str
    attribute: str
    floor: float
    least_coverage: float
    labelled: bool
    selections: Mapping[str, Composite]
    outcomes: Mapping[str, Composite]

    @property
    def labels(self) -> dict[str, str]:
        """The labels that all gauges of the attribute have."""
        return {"version": self.version, "window": self.window, "attribute": self.attribute}

    def set(self, name: str, value: float | None, *, rows: float, group: str) -> None:
        """Export a rate of one group; withhold it where it rests on fewer ``rows`` than the floor."""
        enough = bool(rows >= self.floor)
        self.gauges.set_if(enough, f"ml_fairness_{name}", value, **self.labels, group=group)

    def compare(self, name: str, value: float | None, groups: int, too_few: Reason) -> None:
        """Export a comparison of ``groups`` groups; withhold it where there are fewer than two."""
        if groups < 2:
            self.gauges.withhold(f"ml_fairness_{name}", too_few, **self.labels)
        else:
            self.gauges.set(f"ml_fairness_{name}", value, **self.labels)


def export(groups: GroupSummaries) -> None:
    """Export the rates of every group, and how far they lie apart."""
    classes = {group: found["classes"] for group, found in groups.selections.items()}
    for group, counts in classes.items():
        groups.set("selection_rate", fairness.selection_rate(counts), rows=counts.present, group=group)
    parity = fairness.demographic_parity_ratio(classes.values(), groups.floor)
    large = sum(counts.present >= groups.floor for counts in classes.values())
    groups.compare("demographic_parity_ratio", parity, large, Reason.TOO_FEW_GROUPS)
    if groups.labelled:
        _outcomes(groups, classes)


def _outcomes(groups: GroupSummaries, classes: Mapping[str, CategoricalSummary]) -> None:
    outcomes: dict[str, GroupOutcomeSummary] = {}
    too_few = Reason.TOO_FEW_GROUPS
    for group, found in groups.outcomes.items():
        outcome = found["outcomes"]
        if _coverage(outcome, classes.get(group)) < groups.least_coverage:
            too_few = Reason.LABELS_INCOMPLETE
            for name in _OF_LABELS:
                groups.gauges.withhold(f"ml_fairness_{name}", too_few, **groups.labels, group=group)
            continue
        outcomes[group] = outcome
        for name, value, rows in (
            ("true_positive_rate", recall(outcome), fairness.positives(outcome)),
            ("false_positive_rate", false_positive_rate(outcome), fairness.negatives(outcome)),
            ("calibration_error", expected_calibration_error(outcome), float(outcome.scored)),
        ):
            groups.set(name, value, rows=rows, group=group)
    comparable = min(
        sum(rows(outcome) >= groups.floor for outcome in outcomes.values())
        for rows in (fairness.positives, fairness.negatives)
    )
    difference = fairness.equalized_odds_difference(outcomes.values(), groups.floor)
    groups.compare("equalized_odds_difference", difference, comparable, too_few)


def _coverage(outcome: GroupOutcomeSummary, predictions: CategoricalSummary | None) -> float:
    """Share of a group's predictions whose label has come; 1 where the predictions are in no window any more."""
    made = 0.0 if predictions is None else float(predictions.present)
    return min(1.0, float(outcome.confusion.sum()) / made) if made else 1.0
