"""Two versions of a model in the same window: each statistic of both, the difference, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from exporter.measure import labels
from exporter.measure.classification import has_unnamed_class
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
from exporter.tasks.task import Task
from mlslo.catalogue import Better
from mlslo.monitor import Comparison, Spec

DIFFERENCE = "ml_comparison_difference"
BOUNDS = ("ml_comparison_difference_lower_bound", "ml_comparison_difference_upper_bound")


class Topic(StrEnum):
    """What a statistic is about."""

    SERVICE = "service"
    PREDICTIONS = "predictions"
    OUTCOME = "outcome"


class Verdict(StrEnum):
    """What the data say of the candidate."""

    BETTER = "better"
    WORSE = "worse"
    DIFFERENT = "different"
    NO_DIFFERENCE = "no difference shown"
    UNCERTAIN = "no interval"
    WITHHELD = "withheld"


@dataclass(frozen=True)
class Statistic:
    """``unit``: of the difference, too. ``better``: the direction in which the model is healthier."""

    name: str
    title: str
    topic: Topic
    unit: str
    better: Better


_TABLE = (
    Statistic("error_ratio", "error ratio", Topic.SERVICE, "ratio", Better.LOWER),
    Statistic("latency_p50", "latency p50", Topic.SERVICE, "seconds", Better.LOWER),
    Statistic("latency_p95", "latency p95", Topic.SERVICE, "seconds", Better.LOWER),
    Statistic("latency_p99", "latency p99", Topic.SERVICE, "seconds", Better.LOWER),
    Statistic("score_mean", "mean score", Topic.PREDICTIONS, "score", Better.NEITHER),
    Statistic("prediction_psi", "PSI of the predictions", Topic.PREDICTIONS, "nats", Better.NEITHER),
    Statistic("label_coverage", "label coverage", Topic.OUTCOME, "ratio", Better.NEITHER),
    Statistic("accuracy", "accuracy", Topic.OUTCOME, "ratio", Better.HIGHER),
    Statistic("precision", "precision", Topic.OUTCOME, "ratio", Better.HIGHER),
    Statistic("recall", "recall", Topic.OUTCOME, "ratio", Better.HIGHER),
    Statistic("auc_roc", "AUC", Topic.OUTCOME, "ratio", Better.HIGHER),
    Statistic("calibration_error", "calibration error", Topic.OUTCOME, "ratio", Better.LOWER),
    Statistic("mae", "mean absolute error", Topic.OUTCOME, "label", Better.LOWER),
    Statistic("mean_error", "mean error", Topic.OUTCOME, "label", Better.NEITHER),
)
STATISTICS: Mapping[str, Statistic] = {statistic.name: statistic for statistic in _TABLE}
"""Name, as the label ``statistic`` has it -> statistic."""

# A distance has a noise level instead; bins of few rows bias a calibration error upwards, more than any interval says.
_WITHOUT_INTERVAL = ("prediction_psi", "calibration_error")

_QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}


@dataclass(frozen=True)
class Compared:
    """One statistic of two versions. ``difference``: candidate minus baseline, with its 95 % interval.

    ``rows``: those that each rests on. ``noise``: of a distance, what chance exceeds in 1 of 100 windows. ``withheld``:
    why there are no figures.
    """

    statistic: Statistic
    rows: tuple[float, float]
    baseline: float | None = None
    candidate: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    noise: float | None = None
    withheld: Reason | None = None

    @property
    def verdict(self) -> Verdict:
        """Return what is shown at 95 % (of a distance: at 99 %)."""
        if self.withheld is not None or self.difference is None:
            return Verdict.WITHHELD
        if self.noise is not None:
            return Verdict.DIFFERENT if self.difference > self.noise else Verdict.NO_DIFFERENCE
        if self.low is None or self.high is None:
            return Verdict.UNCERTAIN
        if self.low <= 0 <= self.high:
            return Verdict.NO_DIFFERENCE
        if self.statistic.better is Better.NEITHER:
            return Verdict.DIFFERENT
        return Verdict.BETTER if (self.low > 0) == (self.statistic.better is Better.HIGHER) else Verdict.WORSE


def compare(baseline: WindowSummaries, candidate: WindowSummaries) -> list[Compared]:
    """Compare two versions in the same window, statistic by statistic; of what is not logged there is none."""
    return list(_compared(_Pair(baseline, candidate)))


def names(spec: Spec, task: Task) -> list[str]:
    """Return the names of the statistics that a model has."""
    fields, scored = spec.predictions.fields, task.scored
    binary = spec.task == "binary"
    classified = binary or spec.task == "multiclass"
    labelled = spec.labels is not None
    there = {
        "error_ratio": fields.status is not None,
        **dict.fromkeys(_QUANTILES, fields.latency is not None),
        "score_mean": scored,
        "prediction_psi": scored or classified,
        "label_coverage": labelled,
        "accuracy": labelled and classified,
        "precision": labelled and binary,
        "recall": labelled and binary,
        "auc_roc": labelled and binary and scored,
        "calibration_error": labelled and classified and scored,
        "mae": labelled and spec.task == "regression",
        "mean_error": labelled and spec.task == "regression",
    }
    return [name for name in STATISTICS if there[name]]


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
            if item.withheld is not None:
                for name in (DIFFERENCE, *BOUNDS):
                    gauges.withhold(name, item.withheld, **of)
                continue
            gauges.set(DIFFERENCE, item.difference, **of)
            if item.statistic.name not in _WITHOUT_INTERVAL:
                for name, bound in zip(BOUNDS, (item.low, item.high), strict=True):
                    gauges.set(name, bound, **of)


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
        yield _share(
            pair,
            "error_ratio",
            lambda item: (float(item.traffic["traffic"].errors), float(item.traffic["traffic"].graded)),
        )
    if fields.latency is not None:
        for name, quantile in _QUANTILES.items():
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
    spec = windows[1].spec
    assert spec.labels is not None
    covered = [labels.coverage(window.traffic, window.outcome) for window in windows]
    yield _share(pair, "label_coverage", _labelled)
    reason = None
    if any(share is not None and share < spec.labels.minCoverage for share in covered):
        reason = Reason.LABELS_INCOMPLETE
    outcomes = windows[1].outcome["outcomes"]
    if isinstance(outcomes, RegressionOutcomeSummary):
        yield from _errors(pair, reason)
    elif isinstance(outcomes, OutcomeSummary | MulticlassOutcomeSummary):
        yield from _classes(pair, reason)


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
            outcomes: RegressionOutcomeSummary = window.outcome["outcomes"]
            weight = float(outcomes.scored_weight)
            if not weight:
                return math.nan, math.nan, 0.0
            mean = float(getattr(outcomes, field)) / weight
            variance = max(0.0, float(outcomes.squared_errors) / weight - mean * mean)
            return mean, variance, float(outcomes.scored)

        yield pair.item(
            name,
            lambda window: moments(window)[0],
            lambda window: window.outcome["outcomes"].scored,
            lambda old, new: mean_difference_interval(*moments(old), *moments(new)),
            reason,
        )
