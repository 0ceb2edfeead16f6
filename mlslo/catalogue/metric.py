"""What the catalogue says of one metric."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """Prometheus metric types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


class Layer(StrEnum):
    """What kind of trouble a metric shows."""

    SERVICE = "service"
    DATA = "data"
    PREDICTION = "prediction"
    OUTCOME = "outcome"
    FAIRNESS = "fairness"
    META = "meta"


class Better(StrEnum):
    """The direction in which the model is healthier."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


@dataclass(frozen=True)
class Metric:
    """One metric. ``labels`` come in the order of exposition; ``model`` is always the first.

    ``additive``: the value over several replicas is the sum of theirs (counters, rates, counts).
    """

    name: str
    type: Type
    labels: tuple[str, ...]
    unit: str
    layer: Layer
    better: Better
    help: str
    additive: bool = False


SCOPE = ("model", "version")
WINDOW = (*SCOPE, "window")
SEGMENT = ("segment", "segment_value")
FEATURE = (*WINDOW, "feature", *SEGMENT)
FEATURE_REFERENCE = (*WINDOW, "reference", "feature", *SEGMENT)
TRAFFIC = (*WINDOW, *SEGMENT)
TRAFFIC_REFERENCE = (*WINDOW, "reference", *SEGMENT)
SINK = ("model", "sink")


def gauge(
    layer: Layer,
    name: str,
    labels: tuple[str, ...],
    unit: str,
    better: Better,
    text: str,
    *,
    additive: bool = False,
) -> Metric:
    return Metric(name, Type.GAUGE, labels, unit, layer, better, text, additive)


def counter(layer: Layer, name: str, labels: tuple[str, ...], unit: str, better: Better, text: str) -> Metric:
    return Metric(name, Type.COUNTER, labels, unit, layer, better, text, additive=True)


def quantiles(
    layer: Layer,
    name: str,
    labels: tuple[str, ...],
    unit: str,
    better: Better,
    text: str,
) -> Metric:
    """Quantiles over a window: of type summary, since no other type may have the label ``quantile``."""
    return Metric(name, Type.SUMMARY, (*labels, "quantile"), unit, layer, better, text)
