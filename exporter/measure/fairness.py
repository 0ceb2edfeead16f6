"""Fairness gauges: whether groups of people are treated alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.measure.gauges import Gauges
from exporter.measure.reasons import Reason
from exporter.statistics import fairness
from exporter.statistics.probability import expected_calibration_error
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.composite import Composite
from exporter.summary.group_outcomes import GroupOutcomeSummary


@dataclass(frozen=True)
class GroupFrame:
    """One attribute in one window. ``selections`` and ``outcomes``: summaries by group.

    ``floor``: a rate of a group that rests on fewer rows is withheld and left out of comparisons; so is what needs
    labels of a group of whose predictions a smaller share than ``least_coverage`` has one.
    """

    version: str
    window: str
    attribute: str
    floor: float
    least_coverage: float
    selections: Mapping[str, Composite]
    outcomes: Mapping[str, Composite]

    @property
    def labels(self) -> dict[str, str]:
        return {"version": self.version, "window": self.window, "attribute": self.attribute}


def measure(frame: GroupFrame, gauges: Gauges, *, labelled: bool) -> None:
    """Rates of every group, and how far they lie apart. ``labelled``: whether there is a label log."""
    classes = {group: found["classes"] for group, found in frame.selections.items()}
    for group, counts in classes.items():
        enough = counts.present >= frame.floor
        gauges.set_if(
            enough,
            "ml_fairness_selection_rate",
            fairness.selection_rate(counts),
            **frame.labels,
            group=group,
        )
    _compare(
        frame,
        gauges,
        "ml_fairness_demographic_parity_ratio",
        fairness.demographic_parity_ratio(classes.values(), frame.floor),
        sum(counts.present >= frame.floor for counts in classes.values()),
    )
    if not labelled:
        return
    outcomes = {}
    immature = False
    for group, found in frame.outcomes.items():
        outcome = found["outcomes"]
        if _coverage(outcome, classes.get(group)) < frame.least_coverage:
            immature = True
            for name in ("true_positive_rate", "false_positive_rate", "calibration_error"):
                gauges.withhold(f"ml_fairness_{name}", Reason.LABELS_INCOMPLETE, **frame.labels, group=group)
            continue
        outcomes[group] = outcome
        for name, rate, rows in (
            ("true_positive_rate", fairness.true_positive_rate, fairness.positives),
            ("false_positive_rate", fairness.false_positive_rate, fairness.negatives),
        ):
            enough = rows(outcome) >= frame.floor
            gauges.set_if(enough, f"ml_fairness_{name}", rate(outcome), **frame.labels, group=group)
        enough = float(outcome.scored) >= frame.floor
        error = expected_calibration_error(outcome)
        gauges.set_if(enough, "ml_fairness_calibration_error", error, **frame.labels, group=group)
    comparable = min(
        sum(rows(outcome) >= frame.floor for outcome in outcomes.values())
        for rows in (fairness.positives, fairness.negatives)
    )
    _compare(
        frame,
        gauges,
        "ml_fairness_equalized_odds_difference",
        fairness.equalized_odds_difference(outcomes.values(), frame.floor),
        comparable,
        Reason.LABELS_INCOMPLETE if immature else Reason.TOO_FEW_GROUPS,
    )


def _coverage(outcome: GroupOutcomeSummary, predictions: CategoricalSummary | None) -> float:
    """Share of a group's predictions whose label has come; 1 where the predictions are in no window any more."""
    made = 0.0 if predictions is None else float(predictions.present)
    return min(1.0, float(outcome.confusion.sum()) / made) if made else 1.0


def _compare(
    frame: GroupFrame,
    gauges: Gauges,
    name: str,
    value: float | None,
    groups: int,
    too_few: Reason = Reason.TOO_FEW_GROUPS,
) -> None:
    if groups < 2:
        gauges.withhold(name, too_few, **frame.labels)
    else:
        gauges.set(name, value, **frame.labels)
