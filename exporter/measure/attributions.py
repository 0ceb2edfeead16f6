"""Attribution gauges: how much each feature moves the predictions, and whether their order is the reference's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exporter.measure.gauges import Reason
from exporter.measure.window_summaries import WindowSummaries
from exporter.references.reference import Reference
from exporter.statistics.attribution_ranking import attribution_ndcg, mean_absolute_attribution
from exporter.summary.attributions import AttributionSummary


def export(window: WindowSummaries) -> None:
    """Export them where the log carries attributions."""
    if "attributions" not in window.traffic:
        return
    summary: AttributionSummary = window.traffic["attributions"]
    means = mean_absolute_attribution(summary)
    for feature, rows in zip(summary.features, summary.rows, strict=True):
        window.set("ml_feature_attribution_mean", means[feature], rows, feature=feature)
    name = "ml_feature_attribution_ndcg"
    for reference, content in window.static.items():
        if content.attributions:
            value = attribution_ndcg(summary, _of_reference(summary, content))
            window.set(name, value, summary.explained, reference=reference)
        else:
            window.withhold(name, Reason.NOT_IN_REFERENCE, reference=reference)
    for reference, past in window.past.items():
        before: AttributionSummary = past["attributions"]
        if window.enough(before.explained):
            value = attribution_ndcg(summary, before)
            window.set(name, value, summary.explained, reference=reference)
        else:
            window.withhold(name, Reason.REFERENCE_TOO_SMALL, reference=reference)


def _of_reference(summary: AttributionSummary, reference: Reference) -> AttributionSummary:
    """The reference's means, as one row."""
    known = reference.attributions
    return replace(
        summary,
        explained=np.ones(()),
        rows=np.array([float(feature in known) for feature in summary.features]),
        magnitudes=np.array([known.get(feature, 0.0) for feature in summary.features]),
    )
