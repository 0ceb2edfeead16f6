"""Statistics by which two versions are compared, and the result of comparing one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from exporter.measure.gauges import Reason
from exporter.tasks.task import Task
from mlslo.catalogue import Better
from mlslo.monitor import Spec


class Topic(StrEnum):
    """Subject of a statistic: a sentence of the launch summary each."""

    SERVICE = "service"
    PREDICTIONS = "predictions"
    OUTCOME = "outcome"


class Verdict(StrEnum):
    """Conclusion about the candidate that the data allow."""

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
WITHOUT_INTERVAL = ("prediction_psi", "calibration_error")

QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}


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


def names(spec: Spec, task: Task) -> list[str]:
    """Return the names of the statistics that a model has."""
    fields, scored = spec.predictions.fields, task.scored
    binary = spec.task == "binary"
    classified = binary or spec.task == "multiclass"
    labelled = spec.labels is not None
    there = {
        "error_ratio": fields.status is not None,
        **dict.fromkeys(QUANTILES, fields.latency is not None),
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
