"""Feature importance from attributions, and the agreement of two rankings by it."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import quotients, ratio
from exporter.summary.traffic import AttributionSummary


def mean_absolute_attribution(summary: AttributionSummary) -> dict[str, float | None]:
    """Mean of |attribution| by feature, over the rows that have one. Exact. None for a feature that no row has.

    Source: Lundberg and Lee (2017), "SHAP feature importance".
    """
    return {
        name: ratio(magnitude, rows)
        for name, rows, magnitude in zip(summary.features, summary.rows, summary.magnitudes, strict=True)
    }


def attribution_ndcg(current: AttributionSummary, reference: AttributionSummary) -> float | None:
    """NDCG of the current ranking of features against the reference's: 1 = the same order, less = changed at the top.

    DCG = sum(gain / log2(place + 1)) over that of the best order. The gain of a feature is its mean |attribution| in
    the reference, linear; its place follows its mean |attribution| now, and features that tie share the average of
    their places' discounts. A feature without attributions counts as 0 on that side: it is ranked last.
    Source: Järvelin and Kekäläinen (2002); for attributions, Amazon SageMaker Clarify, which alarms under 0.90. Exact.

    None where either side is empty, where the reference attributes nothing to any feature, or with fewer than two
    features. Raises ValueError where the two are of different features.
    """
    if current.features != reference.features:
        raise ValueError("summaries of different features do not compare")
    gains, now = (quotients(side.magnitudes, side.rows, 0.0) for side in (reference, current))
    if len(gains) < 2 or not current.explained or not gains.any():
        return None
    discounts = 1 / np.log2(np.arange(len(gains)) + 2)
    # From the highest to the lowest: features of one value form a tie.
    _, tie, sizes = np.unique(-now, return_inverse=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    shared = np.add.reduceat(discounts, starts) / sizes
    return float(gains @ shared[tie] / (np.sort(gains)[::-1] @ discounts))
