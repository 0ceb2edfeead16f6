"""Population stability index."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Floats

FLOOR = 1e-4


def population_stability_index(current: Floats, reference: Floats) -> float | None:
    """PSI = sum((p - q) * ln(p / q)) over bins, in nats; proportions are floored at 1e-4.

    ``current`` and ``reference``: counts over the same bins, shape (bins,). Not approximate: it is defined
    on bins. Without drift its mean is about (bins - 1) * (1/n + 1/N).
    Source: Siddiqi, Credit Risk Scorecards (2006); distribution: Yurdakul and Naranjo (2020).
    None where either side is empty.
    """
    if not current.sum() or not reference.sum():
        return None
    p = np.maximum(current / current.sum(), FLOOR)
    q = np.maximum(reference / reference.sum(), FLOOR)
    return float(np.sum((p - q) * np.log(p / q)))
