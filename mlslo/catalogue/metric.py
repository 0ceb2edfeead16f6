"""One metric of the catalogue."""

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
    """Kind of trouble that a metric shows."""

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
