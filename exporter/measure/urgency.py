"""Urgency of series: the order in which they are withheld where a model has too many."""

from __future__ import annotations

from enum import IntEnum

from mlslo.catalogue import Layer, Metric


class Urgency(IntEnum):
    """How soon a series is missed, least urgent first; ``ALWAYS`` is never withheld."""

    FEATURES_OF_SEGMENTS = 0
    SEGMENTS = 1
    DETAIL = 2
    PARTS = 3
    FEATURES = 4
    GROUPS = 5
    OTHERS = 6
    ALWAYS = 7

    @property
    def title(self) -> str:
        """The name of the series of it, for people."""
        return _TITLES[self]


_TITLES = {
    Urgency.FEATURES_OF_SEGMENTS: "statistics of features, by segment",
    Urgency.SEGMENTS: "other gauges of segments",
    Urgency.DETAIL: "further statistics of features",
    Urgency.PARTS: "quantiles, bins, classes and cells",
    Urgency.FEATURES: "features",
    Urgency.GROUPS: "groups of people",
    Urgency.OTHERS: "data and predictions as a whole",
    Urgency.ALWAYS: "service, outcome, comparisons of versions, and the exporter itself",
}
_PARTS = {"quantile", "bin", "actual", "predicted", "delay", "class", "statistic"}


def urgency(metric: Metric, *, segmented: bool, of_class: bool = False) -> Urgency:
    """Return the urgency of a series of ``metric``.

    ``segmented``: of a segment, not of all traffic. ``of_class``: of one class, where the metric has averages as well.
    """
    labels = set(metric.labels)
    kept = metric.layer in (Layer.META, Layer.SERVICE)
    if metric.layer is Layer.META or (kept and not segmented):
        return Urgency.ALWAYS
    if segmented:
        return Urgency.FEATURES_OF_SEGMENTS if "feature" in labels else Urgency.SEGMENTS
    if metric.detail:
        return Urgency.DETAIL
    if of_class or ("average" not in labels and "candidate" not in labels and labels & _PARTS):
        return Urgency.PARTS
    if metric.layer is Layer.OUTCOME or "candidate" in labels:
        return Urgency.ALWAYS
    if "feature" in labels:
        return Urgency.FEATURES
    return Urgency.GROUPS if "group" in labels else Urgency.OTHERS
