"""The range of values that each metric can have."""

from __future__ import annotations

import math
from typing import NamedTuple

from mlslo.catalogue import METRICS, Metric


class Range(NamedTuple):
    """The values from ``low`` to ``high``."""

    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        """``0 to 1``, ``0 or more``, ``1 or less``."""
        if self == ALL:
            return "any number"
        if math.isinf(self.high):
            return f"{self.low:g} or more"
        return f"{self.high:g} or less" if math.isinf(self.low) else f"{self.low:g} to {self.high:g}"


ALL = Range()
NONE = Range(math.inf, -math.inf)

# Proportions are floored at 1e-4: two bins that have swapped all they have are as far apart as it gets.
_MOST_PSI = 2 * math.log(1e4)

# Of unit ratio, and not within 0 and 1.
_OTHER_RATIOS = {
    "ml_dataset_reconstruction_error_ratio": Range(0),
    "ml_feature_embedding_cosine_distance": Range(0, 2),
    "ml_model_brier_score": Range(0, 2),
    "ml_model_mape": Range(0),
    "ml_model_r2": Range(high=1),
}
_COUNTED = (
    "predictions", "predictions per second", "features", "rows", "series", "seconds", "bytes", "Unix seconds",
    "characters", "bits", "classes", "reference standard deviations", "standardised units",
)  # fmt: skip
_NEVER_NEGATIVE = ("_stddev", "_mae", "_rmse", "_attribution_mean", "_noise_level", "_standard_error")


def possible(metric: Metric) -> Range:
    """Every value that ``metric`` can have; all numbers where nothing is known of it."""
    if metric.name not in METRICS:
        return ALL
    if metric.name in _OTHER_RATIOS:
        return _OTHER_RATIOS[metric.name]
    if metric.unit in ("ratio", "boolean"):
        return Range(0, 1)
    if metric.name.endswith("_psi"):
        return Range(0, _MOST_PSI)
    if metric.name.endswith("_log_loss") or metric.unit in _COUNTED or metric.name.endswith(_NEVER_NEGATIVE):
        return Range(0)
    return ALL
