"""Data gauges of all numeric features together: what no feature shows by itself."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from exporter.measure.gauges import Gauges
from exporter.measure.identity import Same
from exporter.measure.reasons import Reason
from exporter.measure.window_frame import WindowFrame
from exporter.references.reference import Moments
from exporter.statistics.frechet import frechet_distance
from exporter.statistics.reconstruction_error import reconstruction_error_ratio
from exporter.summary.second_moments import SecondMomentsSummary

_NAMES = ("ml_dataset_reconstruction_error_ratio", "ml_dataset_frechet_distance")


def measure(frame: WindowFrame, gauges: Gauges) -> None:
    """Against every reference whose second moments are known."""
    if "moments" not in frame.traffic or frame.schema.moments is None:
        return
    current: SecondMomentsSummary = frame.traffic["moments"]
    compared: list[tuple[str, SecondMomentsSummary | None]] = []
    for name, reference in frame.static.items():
        moments = reference.moments
        compared.append((name, None if moments is None else _over(Same(moments), Same(frame.schema.moments))))
    compared += [(name, past["moments"]) for name, past in frame.past.items()]
    for name, reference_moments in compared:
        labels = {**frame.labels, "reference": name}
        reason = None
        if reference_moments is None:
            reason = Reason.NOT_IN_REFERENCE
        elif not frame.enough(float(current.rows)):
            reason = Reason.TOO_FEW_SAMPLES
        elif not frame.enough(float(reference_moments.rows)):
            reason = Reason.REFERENCE_TOO_SMALL
        if reason is not None or reference_moments is None:
            for gauge in _NAMES:
                gauges.withhold(gauge, reason or Reason.NOT_IN_REFERENCE, **labels)
            continue
        gauges.set(_NAMES[0], reconstruction_error_ratio(current, reference_moments), **labels)
        gauges.set(_NAMES[1], frechet_distance(current, reference_moments), **labels)


@lru_cache(maxsize=64)
def _over(of: Same[Moments], by: Same[Moments]) -> SecondMomentsSummary | None:
    """The moments of one reference, standardised by another's; None where they are of other features."""
    moments, base = of.item, by.item
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
