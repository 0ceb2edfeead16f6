"""How right the model was, by how long labels took to come."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Floats
from exporter.summary.delays import AccuracyByDelaySummary


def quality_by_delay(summary: AccuracyByDelaySummary) -> Floats:
    """Mean quality (the accuracy of a classifier) of each bucket of DELAY_BOUNDS, (7,); NaN where it has no rows."""
    empty = np.full(len(summary.weights), np.nan)
    means: Floats = np.divide(summary.quality, summary.weights, out=empty, where=summary.weights > 0)
    return means
