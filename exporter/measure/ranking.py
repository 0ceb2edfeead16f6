"""Outcome gauges of rankings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exporter.measure.gauges import Gauges
from exporter.measure.window_frame import WindowFrame
from exporter.statistics import ranked_lists
from exporter.summary.ranking import RankingOutcomeSummary

_METRICS: dict[str, tuple[str, Callable[[RankingOutcomeSummary, int], float | None]]] = {
    "ml_model_ndcg": ("ndcg", ranked_lists.ndcg),
    "ml_model_map": ("average_precision", ranked_lists.mean_average_precision),
    "ml_model_recall_at": ("recall", ranked_lists.recall),
    "ml_model_precision_at": ("precision", ranked_lists.precision),
}


def measure(frame: WindowFrame, gauges: Gauges, *, cutoffs: Sequence[int]) -> None:
    """Every metric rests on the labelled lists of the window for which it is defined."""
    outcomes: RankingOutcomeSummary = frame.outcome["outcomes"]
    for name, (part, metric) in _METRICS.items():
        for k in cutoffs:
            enough = frame.enough(ranked_lists.lists(outcomes, part, k))
            value = metric(outcomes, k) if enough else None
            gauges.set_if(enough, name, value, **frame.labels, k=str(k))
