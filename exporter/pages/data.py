"""The figures of a model's page, for a program."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from exporter.measure.exposition import Snapshot
from exporter.measure.gauges import Reason
from exporter.pages.distributions import Distribution
from exporter.pages.rendering import Choice, View
from mlslo.catalogue import METRICS
from mlslo.version import VERSION

IN_WORDS = {
    Reason.UNKNOWN_TYPE: "No record, reference or monitor file says of which type the feature is.",
    Reason.TOO_FEW_SAMPLES: "Fewer rows than minSamples: a figure of so few would be chance.",
    Reason.TOO_FEW_GROUPS: "Fewer than two groups have enough people to be compared.",
    Reason.REFERENCE_TOO_SMALL: "The reference window has fewer rows than minSamples.",
    Reason.REFERENCE_MISSING: "The reference is not there, or not yet.",
    Reason.REFERENCE_WITHOUT_LABELS: "The reference has no labels.",
    Reason.NO_LOSS_ESTIMATOR: "No reference was built with --fit-loss-estimator.",
    Reason.FEATURES_MISSING: "The log has no values of a feature that the loss estimator needs.",
    Reason.NOT_IN_REFERENCE: "The reference does not know it.",
    Reason.SEGMENT_NOT_IN_REFERENCE: "The reference has no rows of this segment value.",
    Reason.UNDEFINED: "There is no such number: of one class, of a constant, of nothing.",
    Reason.SINK_DOWN: "The prediction log cannot be read.",
    Reason.LABELS_INCOMPLETE: "Too few labels have come for minCoverage.",
    Reason.CLASSES_UNKNOWN: "It is not known which classes the model has.",
    Reason.TOO_MANY_CLASSES: "Too many classes for a series each.",
    Reason.NOT_BINARY: "Only of a model of two classes.",
    Reason.PRIVACY: "It needs counts that do not leave an exporter with privacy.",
    Reason.MAX_SERIES: "Past maxSeries: the least urgent are left out first.",
}
"""Reason -> a sentence."""


def as_data(snapshot: Snapshot, choice: Choice) -> dict[str, Any]:
    """Return the figures as JSON has them, the gauges of the whole snapshot among them.

    ``from`` and ``to``: of the window, Unix seconds.
    """
    view = View.of(snapshot, choice)
    data: dict[str, Any] = {"mlslo": VERSION, "model": snapshot.model}
    if view is not None:
        outcomes = view.outcomes
        data |= {
            "version": view.version,
            "window": view.window,
            "from": view.start,
            "to": view.end,
            "reference": view.reference,
            "segment": view.segment,
            "rows": view.rows,
            "others": view.others,
            "features": [_distribution(item) for item in view.features],
            "prediction": None if view.prediction is None else _distribution(view.prediction),
            "outcomes": None
            if outcomes is None
            else {
                **asdict(outcomes),
                "confusion": None if outcomes.confusion is None else outcomes.confusion.tolist(),
                "delays": {str(share): seconds for share, seconds in outcomes.delays.items()},
            },
        }
    data["gauges"] = [
        {"name": name, "labels": dict(zip(METRICS[name].labels, labels, strict=True)), "value": value}
        for name, series in snapshot.series.items()
        for labels, value in series.items()
    ]
    return data


def _distribution(item: Distribution) -> dict[str, Any]:
    return {
        **asdict(item),
        "now": item.now.tolist(),
        "then": item.then.tolist(),
        "drifted": item.drifted,
    }
