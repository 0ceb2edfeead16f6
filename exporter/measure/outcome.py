"""Outcome gauges: how much of the truth has come and how late, and how right the model was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from exporter.measure import classification, labels
from exporter.measure.gauges import Reason
from exporter.measure.window_summaries import WindowSummaries
from exporter.statistics import ranked_lists, regression
from exporter.statistics.quantiles import duration_quantile
from exporter.summary.ranking import RankingOutcomeSummary
from exporter.summary.regression import RegressionOutcomeSummary

DELAY_QUANTILES = ("0.5", "0.9", "0.99")
DELAY_LABELS = ("1m", "1h", "6h", "1d", "7d", "30d", "+Inf")
"""The upper end of each delay bucket."""

_OF_NUMBERS: dict[str, Callable[[RegressionOutcomeSummary], float | None]] = {
    "ml_model_mae": regression.mean_absolute_error,
    "ml_model_rmse": regression.root_mean_squared_error,
    "ml_model_r2": regression.r_squared,
    "ml_model_mean_error": regression.mean_error,
}
_OF_LISTS: dict[str, tuple[str, Callable[[RankingOutcomeSummary, int], float | None]]] = {
    "ml_model_ndcg": ("ndcg", ranked_lists.ndcg),
    "ml_model_map": ("average_precision", ranked_lists.mean_average_precision),
    "ml_model_recall_at": ("recall", ranked_lists.recall),
    "ml_model_precision_at": ("precision", ranked_lists.precision),
}


def export(window: WindowSummaries) -> None:
    """Export them where there is a label log. While too few labels have come, all but the first are withheld."""
    spec = window.spec
    if spec.labels is None:
        return
    covered = labels.coverage(window.traffic, window.outcome)
    window.set("ml_label_coverage_ratio", covered, window.traffic["traffic"].answered)
    if spec.labels.fields.timestamp is not None:
        _delays(window)
    if covered is not None and covered < spec.labels.minCoverage:
        window = replace(window, withheld_for=Reason.LABELS_INCOMPLETE)
    labels.export(window)
    _BY_TASK[spec.task](window)


def _delays(window: WindowSummaries) -> None:
    delay, by_delay = window.outcome["delay"], window.outcome["by delay"]
    for quantile in DELAY_QUANTILES:
        value = duration_quantile(delay, float(quantile))
        window.set("ml_label_delay_seconds", value, delay.present, quantile=quantile)
    if not window.task.classes:
        return
    for label, rows, value in zip(DELAY_LABELS, by_delay.rows, by_delay.mean_quality, strict=True):
        # A bucket without rows has no series: there is nothing that could be computed.
        if not np.isnan(value):
            window.set("ml_model_accuracy_by_delay", float(value), rows, delay=label)


def _regression(window: WindowSummaries) -> None:
    outcomes: RegressionOutcomeSummary = window.outcome["outcomes"]
    window.set_all(_OF_NUMBERS, outcomes, outcomes.scored)
    error = regression.mean_absolute_percentage_error(outcomes)
    window.set("ml_model_mape", error, outcomes.scored - outcomes.zero_labels)


def _ranking(window: WindowSummaries) -> None:
    """Every metric rests on the labelled lists for which it is defined."""
    outcomes: RankingOutcomeSummary = window.outcome["outcomes"]
    for name, (part, metric) in _OF_LISTS.items():
        for k in window.spec.predictions.cutoffs:
            rows = ranked_lists.lists(outcomes, part, k)
            window.set(name, metric(outcomes, k), rows, k=str(k))


_BY_TASK: Mapping[str, Callable[[WindowSummaries], None]] = {
    "binary": classification.export_binary,
    "multiclass": classification.export_multiclass,
    "regression": _regression,
    "ranking": _ranking,
}
