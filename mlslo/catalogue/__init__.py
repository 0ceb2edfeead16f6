"""Catalogue of every metric: name, type, labels, unit, layer, better direction and help.

Import from here. A new metric is a row of ``metrics.yaml``; ``docs/metrics.md`` is generated from it.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import resources
from typing import Any

import yaml

__all__ = ["METRICS", "Better", "Layer", "Metric", "Type", "as_data"]


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

    ``additive``: the value over several replicas is the sum of theirs (counters, rates, counts). ``tasks``: those for
    which it is measured; none are all. ``segments``: measured for segments too, by default. ``detail``: left out, by
    default, where a model has many series.
    """

    name: str
    type: Type
    labels: tuple[str, ...]
    unit: str
    layer: Layer
    better: Better
    help: str
    additive: bool = False
    tasks: tuple[str, ...] = ()
    segments: bool = False
    detail: bool = False


_TABLE = yaml.load(
    (resources.files("mlslo") / "catalogue" / "metrics.yaml").read_bytes(),
    getattr(yaml, "CSafeLoader", yaml.SafeLoader),  # noqa: S506 - both are safe
)


def _labels(words: str) -> tuple[str, ...]:
    sets: dict[str, str] = _TABLE["labels"]
    return tuple(
        label for word in words.split() for label in (_labels(sets[word]) if word in sets else [word])
    )


def _metric(name: str, layer: str, row: dict[str, Any]) -> Metric:
    enums = {"layer": Layer(layer), "type": Type(row.get("type", "gauge")), "better": Better(row["better"])}
    tasks = tuple(row.get("tasks", "").split())
    return Metric(name, **{**row, **enums, "labels": _labels(row["labels"]), "tasks": tasks})


METRICS: dict[str, Metric] = {
    name: _metric(name, layer, row) for layer, rows in _TABLE["metrics"].items() for name, row in rows.items()
}


def as_data() -> list[dict[str, object]]:
    """The catalogue as plain data, in its order; tasks are for the checks of specs."""
    shown = [{**asdict(metric), "labels": list(metric.labels)} for metric in METRICS.values()]
    return [{key: value for key, value in metric.items() if key != "tasks"} for metric in shown]
