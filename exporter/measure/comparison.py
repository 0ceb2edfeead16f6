"""Two versions of a model in the same window: each statistic of both, the difference, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from exporter.measure import labels
from exporter.measure.classification import has_unnamed_class
from exporter.measure.comparison_results import QUANTILES, STATISTICS, WITHOUT_INTERVAL, Compared
from exporter.measure.gauges import Gauges, Reason, WindowSummaries
from exporter.statistics import probability, ranking_quality
from exporter.statistics.differences import (
    Interval,
    difference_interval,
    mean_difference_interval,
    share_difference_interval,
)
from exporter.statistics.divergences import population_stability_index, psi_noise
from exporter.statistics.quantiles import duration_quantile, duration_quantile_interval
from exporter.statistics.ranking_quality import auc_interval
from exporter.summary.base import Floats, finite
from exporter.summary.multiclass import MulticlassOutcomeSummary
from exporter.summary.numeric import NumericSummary
from exporter.summary.outcomes import OutcomeSummary
from exporter.summary.regression import RegressionOutcomeSummary
from mlslo.monitor import Comparison

DIFFERENCE = "ml_comparison_difference"
BOUNDS = ("ml_comparison_difference_lower_bound", "ml_comparison_difference_upper_bound")


def compare(baseline: WindowSummaries, candidate: WindowSummaries) -> list[Compared]:
    """Compare two versions in the same window, statistic by statistic; of what is not logged there is none."""
    return list(_compared(_Pair(baseline, candidate)))


def export(
    gauges: Gauges, chosen: Comparison, windows: Sequence[WindowSummaries], order: Sequence[str]
) -> None:
    """Export the differences that the monitor file asks for; withhold those that rest on too few rows.

    ``order``: names of the versions, the oldest first.
    """
    pair = chosen.of(order)
    if pair is None:
        return
    by_version = {(item.version, item.window): item for item in windows}
    for length in dict.fromkeys(item.window for item in windows):
        old, new = (by_version[version, length] for version in pair)
        for item in compare(old, new):
            of = {
                "version": new.version,
                "baseline": old.version,
                "candidate": new.version,
                "window": length,
                "statistic": item.statistic.name,
            }
            values = {DIFFERENCE: item.difference}
            if item.statistic.name not in WITHOUT_INTERVAL:
                values |= dict(zip(BOUNDS, (item.low, item.high), strict=True))
            for name, value in values.items():
                if item.withheld is not None:
                    gauges.withhold(name, item.withheld, **of)
                else:
                    gauges.set(name, value, **of)


def failures(window: WindowSummaries) -> tuple[float, float]:
    """Return how many predictions failed, and of how many that is known."""
    traffic = window.traffic["traffic"]
    return float(traffic.errors), float(traffic.graded)


def correct(window: WindowSummaries) -> tuple[float, float]:
    """Return how many rows were given the right class, of how many."""
    cells = _confusion_rows(window)
    return float(cells.trace()), float(cells.sum())


def error_moments(window: WindowSummaries, field: str) -> tuple[float, float, float]:
    """Return mean and variance of ``absolute_errors`` or ``errors``, and their number; NaN where there are none."""
    outcomes: RegressionOutcomeSummary = window.outcome["outcomes"]
    weight = float(outcomes.scored_weight)
    if not weight:
        return math.nan, math.nan, 0.0
    mean = float(getattr(outcomes, field)) / weight
    variance = max(0.0, float(outcomes.squared_errors) / weight - mean * mean)
    return mean, variance, float(outcomes.scored)


class _Pair:
    """Windows of both versions."""

    def __init__(self, baseline: WindowSummaries, candidate: WindowSummaries) -> None:
        self.both = (baseline, candidate)

    def item(
        self,
        name: str,
        value: Callable[[WindowSummaries], float | None],
        rows: Callable[[WindowSummaries], float | Floats],
        interval: Callable[[WindowSummaries, WindowSummaries], Interval | None] = lambda *_: None,
        reason: Reason | None = None,
    ) -> Compared:
        statistic = STATISTICS[name]
        old_rows, new_rows = (float(rows(window)) for window in self.both)
        if not all(
            window.enough(number) for window, number in zip(self.both, (old_rows, new_rows), strict=True)
        ):
            reason = Reason.TOO_FEW_SAMPLES
        if reason is not None:
            return Compared(statistic, (old_rows, new_rows), withheld=reason)
        old, new = (None if found is None else finite(found) for found in map(value, self.both))
        if old is None or new is None:
            return Compared(statistic, (old_rows, new_rows), old, new, withheld=Reason.UNDEFINED)
        low, high = interval(*self.both) or (math.nan, math.nan)
        return Compared(statistic, (old_rows, new_rows), old, new, new - old, _number(low), _number(high))


def _number(bound: float) -> float | None:
    return None if math.isnan(bound) else bound


def _compared(pair: _Pair) -> Iterator[Compared]:
    window = pair.both[1]
    fields = window.spec.predictions.fields
    if fields.status is not None:
        yield _share(pair, "error_ratio", failures)
    if fields.latency is not None:
        for name, quantile in QUANTILES.items():
            yield _latency(pair, name, quantile)
    if window.task.scored:
        yield pair.item(
            "score_mean",
            lambda item: item.traffic["score"].mean,
            lambda item: item.traffic["score"].present,
            lambda old, new: _of_means(old.traffic["score"], new.traffic["score"]),
        )
    yield from _distribution(pair)
    if window.spec.labels is not None:
        yield from _outcomes(pair)


def _share(
    pair: _Pair,
    name: str,
    counts: Callable[[WindowSummaries], tuple[float, float]],
    rows: Callable[[WindowSummaries], float | Floats] | None = None,
    reason: Reason | None = None,
) -> Compared:
    """Compare shares: ``counts`` are successes and all, in rows."""

    def value(window: WindowSummaries) -> float | None:
        part, whole = counts(window)
        return part / whole if whole else None

    return pair.item(
        name,
        value,
        rows or (lambda window: counts(window)[1]),
        lambda old, new: share_difference_interval(*counts(old), *counts(new)),
        reason,
    )


def _latency(pair: _Pair, name: str, quantile: float) -> Compared:
    def value(window: WindowSummaries) -> float | None:
        return duration_quantile(window.traffic["latency"], quantile)

    def interval(old: WindowSummaries, new: WindowSummaries) -> Interval | None:
        return _of_own(
            value(old),
            duration_quantile_interval(old.traffic["latency"], quantile),
            value(new),
            duration_quantile_interval(new.traffic["latency"], quantile),
        )

    return pair.item(name, value, lambda window: window.traffic["latency"].present, interval)


def _of_own(
    baseline: float | None,
    of_baseline: Interval | None,
    candidate: float | None,
    of_candidate: Interval | None,
) -> Interval | None:
    if baseline is None or of_baseline is None or candidate is None or of_candidate is None:
        return None
    return difference_interval(baseline, of_baseline, candidate, of_candidate)


def _of_means(old: NumericSummary, new: NumericSummary) -> Interval | None:
    return mean_difference_interval(old.mean, old.variance, old.present, new.mean, new.variance, new.present)


def _distribution(pair: _Pair) -> Iterator[Compared]:
    """PSI of the score; of the predicted class where several are told apart, or no score is logged."""
    old, new = pair.both
    task = new.task
    reason = None
    counts: tuple[Floats, Floats] | None = None
    if task.classes and (not task.scored or len(task.classes) > 2):
        rows = [float(window.traffic["classes"].present) for window in pair.both]
        counts = tuple(window.traffic["classes"].over(tuple(task.classes)) for window in pair.both)
    elif task.scored:
        rows = [float(window.traffic["score"].present) for window in pair.both]
        counts = _common_deciles(old.traffic["score"], new.traffic["score"])
        reason = Reason.REFERENCE_MISSING if counts is None else None
    else:
        return
    if not all(window.enough(number) for window, number in zip(pair.both, rows, strict=True)):
        reason = Reason.TOO_FEW_SAMPLES
    statistic, of = STATISTICS["prediction_psi"], (rows[0], rows[1])
    if reason is not None or counts is None:
        yield Compared(statistic, of, withheld=reason)
        return
    then, now = counts
    distance, noise = population_stability_index(now, then), psi_noise(rows[1], then)
    yield Compared(statistic, of, difference=distance, noise=noise)


def _common_deciles(old: NumericSummary, new: NumericSummary) -> tuple[Floats, Floats] | None:
    """Counts of both over about ten bins of the baseline's rows; None where they have no edges in common."""
    edges = np.intersect1d(old.edges, new.edges)
    if not len(edges) or not old.present:
        return None
    up_to = np.cumsum(old.regrouped(edges))[:-1] / old.present
    nearest = np.abs(up_to[:, None] - np.linspace(0.1, 0.9, 9)).argmin(axis=0)
    onto = edges[np.unique(nearest)]
    return old.regrouped(onto), new.regrouped(onto)


def _outcomes(pair: _Pair) -> Iterator[Compared]:
    windows = pair.both
    yield _share(pair, "label_coverage", _labelled)
    reason = Reason.LABELS_INCOMPLETE if lacks_labels(windows) else None
    outcomes = windows[1].outcome["outcomes"]
    if isinstance(outcomes, RegressionOutcomeSummary):
        yield from _errors(pair, reason)
    elif isinstance(outcomes, OutcomeSummary | MulticlassOutcomeSummary):
        yield from _classes(pair, reason)


def lacks_labels(windows: Sequence[WindowSummaries]) -> bool:
    """Return whether fewer labels have come than the monitor file's ``minCoverage`` asks for."""
    covered = [labels.coverage(window.traffic, window.outcome) for window in windows]
    wanted = windows[0].spec.labels
    return wanted is not None and any(share is not None and share < wanted.minCoverage for share in covered)


def _labelled(window: WindowSummaries) -> tuple[float, float]:
    answered = float(window.traffic["traffic"].answered)
    return min(float(window.outcome["outcomes"].labelled_weight), answered), answered


def _classes(pair: _Pair, reason: Reason | None) -> Iterator[Compared]:
    decided = reason
    binary = isinstance(pair.both[1].outcome["outcomes"], OutcomeSummary)
    if binary and any(map(has_unnamed_class, pair.both)):
        decided = reason or Reason.CLASSES_UNKNOWN
    shares: dict[str, Callable[[Floats], tuple[float, float]]] = {
        "accuracy": lambda cells: (float(cells.trace()), float(cells.sum()))
    }
    if binary:
        shares["precision"] = lambda cells: (float(cells[1, 1]), float(cells[:, 1].sum()))
        shares["recall"] = lambda cells: (float(cells[1, 1]), float(cells[1].sum()))
    for name, share in shares.items():
        yield _share(
            pair,
            name,
            lambda window, share=share: share(_confusion_rows(window)),  # type: ignore[misc]
            lambda window: window.outcome["outcomes"].classified,
            decided,
        )
    if not pair.both[1].task.scored:
        return
    if binary:
        yield pair.item(
            "auc_roc",
            lambda window: ranking_quality.auc_roc(window.outcome["outcomes"]),
            lambda window: window.outcome["outcomes"].scored,
            lambda old, new: _of_own(
                ranking_quality.auc_roc(old.outcome["outcomes"]),
                auc_interval(old.outcome["outcomes"]),
                ranking_quality.auc_roc(new.outcome["outcomes"]),
                auc_interval(new.outcome["outcomes"]),
            ),
            reason,
        )
    yield pair.item(
        "calibration_error",
        lambda window: probability.expected_calibration_error(window.outcome["outcomes"]),
        lambda window: window.outcome["outcomes"].scored,
        reason=reason,
    )


def _confusion_rows(window: WindowSummaries) -> Floats:
    """The confusion matrix in rows: weights count as rows of their mean weight."""
    outcomes: OutcomeSummary | MulticlassOutcomeSummary = window.outcome["outcomes"]
    weight = float(outcomes.confusion.sum())
    return outcomes.confusion * (float(outcomes.classified) / weight if weight else 1.0)


def _errors(pair: _Pair, reason: Reason | None) -> Iterator[Compared]:
    sums = {"mae": "absolute_errors", "mean_error": "errors"}
    for name, field in sums.items():

        def moments(window: WindowSummaries, field: str = field) -> tuple[float, float, float]:
            return error_moments(window, field)

        yield pair.item(
            name,
            lambda window: moments(window)[0],
            lambda window: window.outcome["outcomes"].scored,
            lambda old, new: mean_difference_interval(*moments(old), *moments(new)),
            reason,
        )
