"""Fairness gauges: whether groups of people are treated alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporter.measure.gauges import Gauges, Reason
from exporter.statistics import fairness
from exporter.statistics.confusion import false_positive_rate, recall
from exporter.statistics.probability import expected_calibration_error
from exporter.summary.base import Composite
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.outcomes import GroupOutcomeSummary
from mlslo.monitor import Spec

_OF_LABELS = ("true_positive_rate", "false_positive_rate", "calibration_error")

Labels = Mapping[str, str]


def export(
    gauges: Gauges,
    spec: Spec,
    of: Labels,
    selections: Mapping[str, Composite],
    outcomes: Mapping[str, Composite],
) -> None:
    """Export the rates of every group of an attribute, and how far they lie apart.

    ``of``: the labels of all gauges: version, window and attribute. ``selections`` and ``outcomes``: by group. A rate
    that rests on fewer rows than the floor is withheld and left out of comparisons; so is what needs labels of a group
    of whose predictions a smaller share than ``minCoverage`` has one.
    """
    assert spec.fairness is not None
    floor = spec.fairness.minSamples or spec.minSamples
    classes: dict[str, CategoricalSummary] = {group: found["classes"] for group, found in selections.items()}
    for group, counts in classes.items():
        rate, enough = fairness.selection_rate(counts), counts.present >= floor
        gauges.set_if(enough, "ml_fairness_selection_rate", rate, **of, group=group)
    parity = fairness.demographic_parity_ratio(classes.values(), floor)
    large = sum(counts.present >= floor for counts in classes.values())
    _compare(gauges, "ml_fairness_demographic_parity_ratio", parity, large, Reason.TOO_FEW_GROUPS, of)
    if spec.labels is None:
        return
    covered: list[GroupOutcomeSummary] = []
    too_few = Reason.TOO_FEW_GROUPS
    for group, found in outcomes.items():
        outcome: GroupOutcomeSummary = found["outcomes"]
        # Where a group's predictions are in no window any more, all labels of them have come.
        made = classes[group].present if group in classes else 0.0
        if made and float(outcome.confusion.sum()) / made < spec.labels.minCoverage:
            too_few = Reason.LABELS_INCOMPLETE
            for name in _OF_LABELS:
                gauges.withhold(f"ml_fairness_{name}", too_few, **of, group=group)
            continue
        covered.append(outcome)
        for name, value, rows in (
            ("true_positive_rate", recall(outcome), fairness.positives(outcome)),
            ("false_positive_rate", false_positive_rate(outcome), fairness.negatives(outcome)),
            ("calibration_error", expected_calibration_error(outcome), float(outcome.scored)),
        ):
            gauges.set_if(rows >= floor, f"ml_fairness_{name}", value, **of, group=group)
    difference = fairness.equalized_odds_difference(covered, floor)
    comparable = _comparable(covered, floor)
    _compare(gauges, "ml_fairness_equalized_odds_difference", difference, comparable, too_few, of)


def export_reference(gauges: Gauges, spec: Spec, of: Labels, groups: Sequence[Composite]) -> None:
    """Export how far the groups of an attribute lie apart in a reference. ``of``: version, reference and attribute."""
    assert spec.fairness is not None
    floor = spec.fairness.minSamples or spec.minSamples
    classes: list[CategoricalSummary] = [group["classes"] for group in groups if "classes" in group]
    outcomes: list[GroupOutcomeSummary] = [group["outcomes"] for group in groups if "outcomes" in group]
    too_few = Reason.TOO_FEW_GROUPS if groups else Reason.NOT_IN_REFERENCE
    large = sum(counts.present >= floor for counts in classes)
    parity = fairness.demographic_parity_ratio(classes, floor)
    _compare(gauges, "ml_fairness_demographic_parity_ratio_reference", parity, large, too_few, of)
    if spec.labels is None:
        return
    if groups and not outcomes:
        too_few = Reason.REFERENCE_WITHOUT_LABELS
    difference = fairness.equalized_odds_difference(outcomes, floor)
    comparable = _comparable(outcomes, floor)
    _compare(gauges, "ml_fairness_equalized_odds_difference_reference", difference, comparable, too_few, of)


def _comparable(groups: Sequence[GroupOutcomeSummary], floor: float) -> int:
    """Return how many groups have rows enough for either rate; of the rate with fewer of them."""
    return min(
        sum(rows(group) >= floor for group in groups) for rows in (fairness.positives, fairness.negatives)
    )


def _compare(
    gauges: Gauges, name: str, value: float | None, groups: int, too_few: Reason, of: Labels
) -> None:
    """Export a comparison of ``groups`` groups; withhold it where there are fewer than two."""
    if groups < 2:
        gauges.withhold(name, too_few, **of)
    else:
        gauges.set(name, value, **of)
