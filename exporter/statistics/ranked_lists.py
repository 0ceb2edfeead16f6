"""Quality of ranked lists, on average over lists."""

from __future__ import annotations

from exporter.summary.base import ratio
from exporter.summary.ranking import MEASURES, RankingOutcomeSummary


def mean_quality(summary: RankingOutcomeSummary, measure: str, k: int) -> float | None:
    """Mean over lists of one of MEASURES among the first k. Exact.

    ``ndcg``: linear gain, ties averaged; Järvelin and Kekäläinen (2002). ``average_precision``: each over min(k,
    relevant items). ``recall``: share of the relevant items. ``precision``: relevant items over k; a shorter list is no
    excuse. Lists without a relevant item are left out of all but the precision; None where there is no other. Raises
    ValueError where ``k`` is not one of the summary's cutoffs.
    """
    place = MEASURES.index(measure), summary.ks.index(k)
    return ratio(summary.sums[place], summary.weights[place])


def lists(summary: RankingOutcomeSummary, measure: str, k: int) -> float:
    """On how many lists, whatever their weights, the mean of ``measure`` at ``k`` rests.

    ``measure``: one of MEASURES. Raises ValueError where it or ``k`` is none.
    """
    return float(summary.lists[MEASURES.index(measure), summary.ks.index(k)])
