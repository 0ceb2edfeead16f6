"""What the labels are, and how far they have moved from a reference's: label drift."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from exporter.measure.gauges import Gauges
from exporter.measure.outcome import coverage
from exporter.measure.prediction import MOST_SHOWN
from exporter.measure.reasons import Reason
from exporter.measure.window_frame import WindowFrame
from exporter.references.reference import CategoricalReference, FeatureReference, NumericReference
from exporter.statistics.noise import psi_noise
from exporter.statistics.population_stability import population_stability_index
from exporter.statistics.regression import mean_label
from exporter.summary.base import Floats
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.composite import Composite
from exporter.summary.label_bins import LabelBinsSummary
from exporter.summary.multiclass import MulticlassOutcomeSummary
from exporter.summary.outcomes import OutcomeSummary
from exporter.summary.regression import RegressionOutcomeSummary

_OF_BINARY = ("0", "1")
"""As a reference names the classes of a binary model."""


class _Labels(NamedTuple):
    """``rows``: whatever their weights. ``counts``: what they stand for, over the bins of a reference."""

    rows: float
    counts: Floats


def measure(frame: WindowFrame, gauges: Gauges, *, min_coverage: float) -> None:
    """Distribution of the labels, and its drift; of rankings nothing, whose labels are lists."""
    outcomes = frame.outcome["outcomes"]
    match outcomes:
        case MulticlassOutcomeSummary():
            _class_ratios(frame, gauges, outcomes)
        case RegressionOutcomeSummary():
            enough = frame.enough(float(outcomes.scored))
            gauges.set_if(enough, "ml_label_mean", mean_label(outcomes), **frame.labels)
    if isinstance(outcomes, OutcomeSummary | MulticlassOutcomeSummary | RegressionOutcomeSummary):
        _drift(frame, gauges, min_coverage)


def _class_ratios(frame: WindowFrame, gauges: Gauges, outcomes: MulticlassOutcomeSummary) -> None:
    weight = outcomes.labelled_weight
    enough = frame.enough(float(outcomes.labelled))
    if len(outcomes.classes) > MOST_SHOWN:
        gauges.withhold("ml_label_class_ratio", Reason.TOO_MANY_CLASSES, **frame.labels)
        return
    for name, number in zip(outcomes.classes, outcomes.labels.tolist(), strict=True):
        ratio = number / weight if weight else None
        gauges.set_if(enough, "ml_label_class_ratio", ratio, **frame.labels, **{"class": name})


def _drift(frame: WindowFrame, gauges: Gauges, min_coverage: float) -> None:
    known = {name: reference.labels for name, reference in frame.static.items()}
    bins = next((labels for labels in known.values() if labels is not None), None)
    for name, reference in known.items():
        if reference is None:
            _withhold(frame, gauges, name, Reason.REFERENCE_WITHOUT_LABELS)
        else:
            _compare(frame, gauges, name, reference, _of_reference(reference))
    for name, past in frame.past_outcome.items():
        fixed = bins or _bins_of_classes(frame.outcome)
        covered = coverage(frame.past[name], past)
        if fixed is None:
            _withhold(frame, gauges, name, Reason.NOT_IN_REFERENCE)
        elif covered is not None and covered < min_coverage:
            _withhold(frame, gauges, name, Reason.LABELS_INCOMPLETE)
        else:
            then = _over(past, fixed)
            if frame.enough(then.rows):
                _compare(frame, gauges, name, fixed, then.counts)
            else:
                _withhold(frame, gauges, name, Reason.REFERENCE_TOO_SMALL)
    for name, reason in frame.absent.items():
        _withhold(frame, gauges, name, reason)


def _compare(
    frame: WindowFrame, gauges: Gauges, name: str, bins: FeatureReference, reference: Floats
) -> None:
    labels = {**frame.labels, "reference": name}
    now = _over(frame.outcome, bins)
    enough = frame.enough(now.rows)
    value = population_stability_index(now.counts, reference) if enough else None
    gauges.set_if(enough, "ml_label_psi", value, **labels)
    if enough and not frame.segment:
        level = psi_noise(now.rows, reference)
        gauges.set("ml_label_drift_noise_level", level, **labels, statistic="psi")


def _over(outcome: Composite, bins: FeatureReference) -> _Labels:
    """Labels over the bins of ``bins``."""
    outcomes = outcome["outcomes"]
    match outcomes, bins:
        case OutcomeSummary() | MulticlassOutcomeSummary(), CategoricalReference():
            counts = _classes(outcomes).over(bins.summary.categories)
            return _Labels(float(outcomes.labelled), counts)
        case RegressionOutcomeSummary(), NumericReference():
            labels: LabelBinsSummary = outcome["labels"]
            return _Labels(float(labels.rows.sum()), labels.regrouped(bins.deciles))
    raise TypeError(f"labels of {type(outcomes).__name__} have no drift against {type(bins).__name__}")


def _of_reference(reference: FeatureReference) -> Floats:
    if isinstance(reference, NumericReference):
        return reference.summary.regrouped(reference.deciles)
    return reference.summary.over(reference.summary.categories)


def _bins_of_classes(outcome: Composite) -> CategoricalReference | None:
    """Where no reference has labels the classes are bins all the same; numbers have none."""
    outcomes = outcome["outcomes"]
    if isinstance(outcomes, OutcomeSummary | MulticlassOutcomeSummary):
        return CategoricalReference(_classes(outcomes))
    return None


def _classes(outcomes: OutcomeSummary | MulticlassOutcomeSummary) -> CategoricalSummary:
    if isinstance(outcomes, MulticlassOutcomeSummary):
        names, unseen = outcomes.classes, outcomes.unknown_labels
    else:
        names, unseen = _OF_BINARY, np.zeros(())
    return CategoricalSummary(categories=names, missing=np.zeros(()), unseen=unseen, counts=outcomes.labels)


def _withhold(frame: WindowFrame, gauges: Gauges, reference: str, reason: Reason) -> None:
    gauges.withhold("ml_label_psi", reason, **frame.labels, reference=reference)
