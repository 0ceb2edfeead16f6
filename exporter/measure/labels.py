"""Label gauges: how much of the truth has come, what it is, and its drift from the references."""

from __future__ import annotations

import numpy as np

from exporter.features.binning import CategoricalBinning, MixBinning, NumericBinning
from exporter.measure import multilabel
from exporter.measure.drift import Sample, effective_rows
from exporter.measure.gauges import Reason, WindowSummaries
from exporter.measure.prediction import MOST_SHOWN
from exporter.references.reference import ViewReference
from exporter.statistics.divergences import population_stability_index, psi_noise
from exporter.statistics.regression import mean_label
from exporter.summary.base import Composite, Floats, ratio
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.labels import LabelBinsSummary
from exporter.summary.multiclass import MulticlassOutcomeSummary
from exporter.summary.multilabel import LabelSetsSummary, MultilabelOutcomeSummary
from exporter.summary.outcomes import OutcomeSummary
from exporter.summary.ranking import RankingOutcomeSummary
from exporter.summary.regression import RegressionOutcomeSummary

_NOISE = "ml_label_drift_noise_level"


def coverage(traffic: Composite, outcome: Composite) -> float | None:
    """Share of the predictions whose label has come; None where there are none."""
    covered = ratio(outcome["outcomes"].labelled_weight, traffic["traffic"].answered)
    return None if covered is None else min(1.0, covered)


def export(window: WindowSummaries) -> None:
    """Export the distribution of the labels, and its drift; of rankings nothing, whose labels are lists."""
    outcomes = window.outcome["outcomes"]
    match outcomes:
        case MulticlassOutcomeSummary() if len(outcomes.classes) > MOST_SHOWN:
            window.withhold("ml_label_class_ratio", Reason.TOO_MANY_CLASSES)
        case MulticlassOutcomeSummary():
            for name, number in zip(outcomes.classes, outcomes.labels.tolist(), strict=True):
                share = ratio(number, outcomes.labelled_weight)
                window.set("ml_label_class_ratio", share, outcomes.labelled, **{"class": name})
        case MultilabelOutcomeSummary():
            multilabel.export_sets(window, "ml_label", window.outcome["label sets"])
        case RegressionOutcomeSummary():
            window.set("ml_label_mean", mean_label(outcomes), outcomes.scored)
    if not isinstance(outcomes, RankingOutcomeSummary) and window.wants("ml_label_psi", _NOISE):
        _drift(window)


def _drift(window: WindowSummaries) -> None:
    known = {name: reference.labels for name, reference in window.static.items()}
    bins = window.bins(lambda reference: reference.labels)
    withheld = dict(window.absent)
    for name, reference in known.items():
        if reference is None:
            withheld[name] = Reason.REFERENCE_WITHOUT_LABELS
        elif window.segment and not window.enough(reference.summary.present):
            withheld[name] = Reason.REFERENCE_TOO_SMALL
        else:
            _compare(window, name, reference, Sample(reference.summary, reference).bins, None)
    assert window.spec.labels is not None
    least = window.spec.labels.minCoverage
    for name, past in window.past_outcome.items():
        fixed = bins or _bins_of_classes(window.outcome)
        covered = coverage(window.past[name], past)
        if fixed is None:
            withheld[name] = Reason.NOT_IN_REFERENCE
        elif covered is not None and covered < least:
            withheld[name] = Reason.LABELS_INCOMPLETE
        else:
            rows, counts = _over(past, fixed)
            if window.enough(rows):
                _compare(window, name, fixed, counts, rows)
            else:
                withheld[name] = Reason.REFERENCE_TOO_SMALL
    for name, reason in withheld.items():
        window.withhold("ml_label_psi", reason, reference=name)


def _compare(
    window: WindowSummaries, name: str, bins: ViewReference, reference: Floats, rows_then: float | None
) -> None:
    """``rows_then``: of a window of the past; None where ``reference`` is that of ``bins``."""
    rows, now = _over(window.outcome, bins)
    value = population_stability_index(now, reference)
    window.set("ml_label_psi", value, rows, reference=name)
    # A set is no sample of its classes: chance moves their mix otherwise.
    if (
        window.enough(rows)
        and not window.segment
        and window.wants(_NOISE)
        and not isinstance(bins.binning, MixBinning)
    ):
        level = psi_noise(effective_rows(bins, rows, window.seconds, rows_then), reference)
        window.set(_NOISE, level, reference=name, statistic="psi")


def _over(outcome: Composite, bins: ViewReference) -> tuple[float, Floats]:
    """Labelled rows, whatever their weights, and what they stand for over the bins of ``bins``."""
    outcomes = outcome["outcomes"]
    match outcomes, bins.binning:
        case OutcomeSummary() | MulticlassOutcomeSummary(), CategoricalBinning(categories):
            return float(outcomes.labelled), _classes(outcomes).over(categories)
        case MultilabelOutcomeSummary(), MixBinning(categories):
            sets: LabelSetsSummary = outcome["label sets"]
            return float(sets.rows), sets.over(categories)
        case RegressionOutcomeSummary(), NumericBinning():
            labels: LabelBinsSummary = outcome["labels"]
            return float(labels.rows.sum()), labels.regrouped(bins.deciles)
    raise TypeError(
        f"labels of {type(outcomes).__name__} have no drift against {type(bins.binning).__name__}"
    )


def _bins_of_classes(outcome: Composite) -> ViewReference | None:
    """Return the classes as bins, where no reference has labels; None for numbers, which have none then."""
    outcomes = outcome["outcomes"]
    if isinstance(outcomes, OutcomeSummary | MulticlassOutcomeSummary):
        classes = _classes(outcomes)
        return ViewReference(CategoricalBinning(classes.categories), classes)
    if isinstance(outcomes, MultilabelOutcomeSummary):
        mix = outcome["label sets"].as_mix()
        return ViewReference(MixBinning(mix.categories), mix)
    return None


def _classes(outcomes: OutcomeSummary | MulticlassOutcomeSummary) -> CategoricalSummary:
    unseen = np.asarray(outcomes.unknown_labels)
    return CategoricalSummary(outcomes.classes, np.zeros(()), unseen, outcomes.labels)
