"""Quality of ranked lists, on average over lists."""

from __future__ import annotations

from exporter.statistics.defined import ratio
from exporter.summary.ranking import MEASURES, RankingOutcomeSummary


def ndcg(summary: RankingOutcomeSummary, k: int) -> float | None:
    """Mean NDCG of the first k, linear gain, ties averaged; Järvelin and Kekäläinen (2002).

    Exact. Lists without a relevant item are left out; None where there is no other. Raises ValueError where ``k`` is
    not one of the summary's cutoffs.
    """
    return _mean(summary, "ndcg", k)


def mean_average_precision(summary: RankingOutcomeSummary, k: int) -> float | None:
    """Mean over lists of the average precision of the first k, each over min(k, relevant items). As ``ndcg``."""
    return _mean(summary, "average_precision", k)


def recall(summary: RankingOutcomeSummary, k: int) -> float | None:
    """Mean over lists of the share of the relevant items among the first k. As ``ndcg``."""
    return _mean(summary, "recall", k)


def precision(summary: RankingOutcomeSummary, k: int) -> float | None:
    """Mean over lists of the relevant items among the first k, over k; a shorter list is no excuse.

    Exact. None where there is no list. Raises ValueError where ``k`` is not one of the summary's cutoffs.
    """
    return _mean(summary, "precision", k)


def lists(summary: RankingOutcomeSummary, measure: str, k: int) -> float:
    """On how many lists, whatever their weights, the mean of ``measure`` at ``k`` rests.

    ``measure``: one of MEASURES. Raises ValueError where it or ``k`` is none.
    """
    return float(summary.lists[MEASURES.index(measure), summary.ks.index(k)])


def _mean(summary: RankingOutcomeSummary, measure: str, k: int) -> float | None:
    place = MEASURES.index(measure), summary.ks.index(k)
    return ratio(summary.sums[place], summary.weights[place])
