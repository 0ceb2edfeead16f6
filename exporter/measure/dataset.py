"""Data gauges of all numeric features together: what no feature shows by itself."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from exporter.measure.gauges import Reason
from exporter.measure.window_summaries import WindowSummaries
from exporter.references.reference import Moments
from exporter.statistics.multivariate import frechet_distance, reconstruction_error_ratio
from exporter.summary.second_moments import SecondMomentsSummary

_STATISTICS = {
    "ml_dataset_reconstruction_error_ratio": reconstruction_error_ratio,
    "ml_dataset_frechet_distance": frechet_distance,
}


def export(window: WindowSummaries) -> None:
    """Export them against every reference whose second moments are known."""
    base = window.schema.moments
    if "moments" not in window.traffic or base is None:
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
                window.set(gauge, statistic(current, reference_moments), reference=name)
            continue
        for gauge in _STATISTICS:
            window.withhold(gauge, reason, reference=name)


@lru_cache(maxsize=64)
def _standardised(moments: Moments, base: Moments) -> SecondMomentsSummary | None:
    """The moments of one reference, standardised by another's; None where they are of other features."""
    if moments.features != base.features:
        return None
    one, other = moments.summary, base.summary
    if np.array_equal(one.means, other.means) and np.array_equal(one.deviations, other.deviations):
        return one
    scale = np.divide(
        one.deviations, other.deviations, out=np.zeros_like(one.means), where=other.deviations > 0
    )
    shift = np.divide(
        one.means - other.means, other.deviations, out=np.zeros_like(scale), where=other.deviations > 0
    )
    mean = one.mean * scale + shift
    covariance = one.covariance * np.outer(scale, scale)
    squares = float(one.rows) * (covariance + np.outer(mean, mean))
    return replace(
        other,
        rows=one.rows,
        sums=float(one.rows) * mean,
        products=squares[np.triu_indices(len(mean))],
    )
