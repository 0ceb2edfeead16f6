"""Data gauges against references: drift of every feature, of all numeric ones together, of attributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from exporter.measure import drift
from exporter.measure.gauges import Reason, WindowSummaries
from exporter.references.reference import Moments, Reference, ViewReference, view_part
from exporter.statistics.attribution_ranking import attribution_ndcg, mean_absolute_attribution
from exporter.statistics.false_discovery import FALSE_DISCOVERY_RATE, combined_p_value, drifted
from exporter.statistics.multivariate import frechet_distance, reconstruction_error_ratio
from exporter.summary.base import quotients, ratio
from exporter.summary.second_moments import SecondMomentsSummary
from exporter.summary.traffic import AttributionSummary


def export(window: WindowSummaries) -> None:
    """Export all three."""
    _features(window)
    _together(window)
    _attributions(window)


_DRIFTED = ("ml_features_drifted", "ml_features_drifted_ratio")


def _features(window: WindowSummaries) -> None:
    """Export the drift of every view from every reference, and how many features drifted from each."""
    judged = window.wants(*_DRIFTED)
    found = compare_features(window, judged=judged)
    if not judged:
        return
    for reference, by_feature in found.items():
        # No feature compared: every one of them had too few rows.
        rows = None if by_feature else 0
        number = len(drifted_features(window, reference, by_feature))
        window.set("ml_features_drifted", number, rows, reference=reference)
        share = ratio(number, len(by_feature))
        window.set("ml_features_drifted_ratio", share, rows, reference=reference)
    for reference, reason in window.absent.items():
        for name in _DRIFTED:
            window.withhold(name, reason, reference=reference)


Compared = dict[str, list[tuple[float, float]]]
"""Feature -> p-value and effect size of each of its views."""


def compare_features(
    window: WindowSummaries, *, judged: bool = True, exported: bool = True
) -> dict[str, Compared]:
    """Compare every feature with every reference; the result is by reference, and empty unless ``judged``.

    ``exported``: whether the gauges of drift are set.
    """
    schema = window.schema
    found: dict[str, Compared] = {name: {} for name in (*window.static, *window.past)}
    for view, binning in schema.binnings.items():
        feature = schema.views[view]
        statistics = drift.statistics_of(binning) if exported else ()
        part, of_reference = view_part(view), _of_references(view)
        of_view = drift.export(
            window, "ml_feature", part, statistics, of_reference, judged=judged, feature=view
        )
        # Points in time are always later than a reference's, which is no drift.
        if not (schema.primary(view) and schema.kinds[feature].name == "timestamp"):
            for reference, item in of_view.items():
                found[reference].setdefault(feature, []).append(item)
    return found


def drifted_features(
    window: WindowSummaries, reference: str, by_feature: Compared, rate: float = FALSE_DISCOVERY_RATE
) -> set[str]:
    """Return the features that have drifted from a reference, of those that were compared with it.

    ``rate``: of false discoveries among them.
    """
    combined = {
        feature: combined_p_value(*(p_value for p_value, _ in views)) for feature, views in by_feature.items()
    }
    sizes = {feature: max(size for _, size in views) for feature, views in by_feature.items()}
    return drifted(combined, sizes, window.spec.drift.effectSize, _dependence(window, reference), rate)


def _of_references(view: str) -> Callable[[Reference], ViewReference | None]:
    return lambda reference: reference.views.get(view)


def _dependence(window: WindowSummaries, reference: str) -> dict[str, float] | None:
    """Return as how many each feature counts; of a window of the past as of the static reference that has its bins."""
    first, whole = next(iter(window.schema.references.items()), (reference, None))
    content = window.static.get(reference) or window.static.get(first, whole)
    if content is None or content.noise is None:
        return None
    return content.noise.dependence_at(float(window.traffic["traffic"].rows), window.seconds)


_STATISTICS = {
    "ml_dataset_reconstruction_error_ratio": reconstruction_error_ratio,
    "ml_dataset_frechet_distance": frechet_distance,
}


def _together(window: WindowSummaries) -> None:
    """Export them against every reference whose second moments are known."""
    base = window.schema.moments
    if "moments" not in window.traffic or base is None or not window.wants(*_STATISTICS):
        return
    current: SecondMomentsSummary = window.traffic["moments"]
    compared = {
        name: None if reference.moments is None else _standardised(reference.moments, base)
        for name, reference in window.static.items()
    }
    compared |= {name: past["moments"] for name, past in window.past.items()}
    for name, reference_moments in compared.items():
        if reference_moments is None:
            reason = Reason.NOT_IN_REFERENCE
        elif not window.enough(current.rows):
            reason = Reason.TOO_FEW_SAMPLES
        elif not window.enough(reference_moments.rows):
            reason = Reason.REFERENCE_TOO_SMALL
        else:
            for gauge, statistic in _STATISTICS.items():
                if window.wants(gauge):
                    window.set(gauge, statistic(current, reference_moments), reference=name)
            continue
        for gauge in _STATISTICS:
            window.withhold(gauge, reason, reference=name)
    for name, reason in window.absent.items():
        for gauge in _STATISTICS:
            window.withhold(gauge, reason, reference=name)


@lru_cache(maxsize=1024)
def _standardised(moments: Moments, base: Moments) -> SecondMomentsSummary | None:
    """The moments of one reference, standardised by another's; None where they are of other features."""
    if moments.features != base.features:
        return None
    one, other = moments.summary, base.summary
    if np.array_equal(one.means, other.means) and np.array_equal(one.deviations, other.deviations):
        return one
    scale = quotients(one.deviations, other.deviations, 0.0)
    shift = quotients(one.means - other.means, other.deviations, 0.0)
    mean = one.mean * scale + shift
    covariance = one.covariance * np.outer(scale, scale)
    squares = float(one.rows) * (covariance + np.outer(mean, mean))
    return replace(
        other,
        rows=one.rows,
        sums=float(one.rows) * mean,
        products=squares[np.triu_indices(len(mean))],
    )


def _attributions(window: WindowSummaries) -> None:
    """Export them where the log carries attributions."""
    mean, name = "ml_feature_attribution_mean", "ml_feature_attribution_ndcg"
    if "attributions" not in window.traffic or not window.wants(mean, name):
        return
    summary: AttributionSummary = window.traffic["attributions"]
    means = mean_absolute_attribution(summary)
    for feature, rows in zip(summary.features, summary.rows, strict=True):
        window.set(mean, means[feature], rows, feature=feature)
    compared = {
        reference: _of_reference(summary, content) if content.attributions else None
        for reference, content in window.static.items()
    }
    compared |= {reference: past["attributions"] for reference, past in window.past.items()}
    for reference, before in compared.items():
        if before is None:
            window.withhold(name, Reason.NOT_IN_REFERENCE, reference=reference)
        elif reference in window.past and not window.enough(before.explained):
            window.withhold(name, Reason.REFERENCE_TOO_SMALL, reference=reference)
        else:
            window.set(name, attribution_ndcg(summary, before), summary.explained, reference=reference)
    for reference, reason in window.absent.items():
        window.withhold(name, reason, reference=reference)


def _of_reference(summary: AttributionSummary, reference: Reference) -> AttributionSummary:
    """The reference's means, as one row."""
    known = reference.attributions
    return replace(
        summary,
        explained=np.ones(()),
        rows=np.array([float(feature in known) for feature in summary.features]),
        magnitudes=np.array([known.get(feature, 0.0) for feature in summary.features]),
    )
