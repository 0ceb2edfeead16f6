"""What a comparison of a sample with a reference gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Statistic = str
"""As metrics name it: what follows ``ml_feature_`` or ``ml_prediction_``."""


Noise = Mapping[Statistic, float | None]
"""What statistics exceed in 1 of 100 windows without drift, at the sizes of two samples."""


@dataclass(frozen=True)
class Comparison:
    """``values``: None where a statistic is undefined. ``p_value``: of this much difference without drift."""

    values: Mapping[Statistic, float | None]
    p_value: float | None = None
