"""Attribution gauges: how much each feature moves the predictions, and whether the order is the reference's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exporter.measure.gauges import Gauges
from exporter.measure.reasons import Reason
from exporter.measure.window_frame import WindowFrame
from exporter.references.reference import Reference
from exporter.statistics.attribution_ranking import attribution_ndcg, mean_absolute_attribution
from exporter.summary.attributions import AttributionSummary


def measure(frame: WindowFrame, gauges: Gauges) -> None:
    """Where the log carries attributions."""
    if "attributions" not in frame.traffic:
        return
    summary: AttributionSummary = frame.traffic["attributions"]
    means = mean_absolute_attribution(summary)
    for feature, rows in zip(summary.features, summary.rows, strict=True):
        name, labels = "ml_feature_attribution_mean", {**frame.labels, "feature": feature}
        gauges.set_if(frame.enough(float(rows)), name, means[feature], **labels)
    name = "ml_feature_attribution_ndcg"
    for reference, content in frame.static.items():
        labels = {**frame.labels, "reference": reference}
        if not content.attributions:
            gauges.withhold(name, Reason.NOT_IN_REFERENCE, **labels)
            continue
        enough = frame.enough(float(summary.explained))
        gauges.set_if(enough, name, attribution_ndcg(summary, _reference(summary, content)), **labels)
    for reference, past in frame.past.items():
        before: AttributionSummary = past["attributions"]
        labels = {**frame.labels, "reference": reference}
        if not frame.enough(float(before.explained)):
            gauges.withhold(name, Reason.REFERENCE_TOO_SMALL, **labels)
            continue
        enough = frame.enough(float(summary.explained))
        gauges.set_if(enough, name, attribution_ndcg(summary, before), **labels)


def _reference(summary: AttributionSummary, reference: Reference) -> AttributionSummary:
    """The reference's means, as one row."""
    known = reference.attributions
    return replace(
        summary,
        explained=np.ones(()),
        rows=np.array([float(feature in known) for feature in summary.features]),
        magnitudes=np.array([known.get(feature, 0.0) for feature in summary.features]),
    )
