"""Every metric that mlslo knows: its name, type, labels, unit, layer, better direction and help.

The one place where a metric's name is written. The generator reads it to lower gauges to PromQL;
``docs/metrics.md`` is generated from it.
"""

from __future__ import annotations

from dataclasses import asdict

from mlslo.catalogue import data, fairness, meta, outcome, prediction, service
from mlslo.catalogue.metric import Better, Layer, Metric, Type

__all__ = ["METRICS", "Better", "Layer", "Metric", "Type", "as_data"]

METRICS: dict[str, Metric] = {
    metric.name: metric
    for section in (service, data, prediction, outcome, fairness, meta)
    for metric in section.metrics()
}


def as_data() -> list[dict[str, object]]:
    """The catalogue as plain data, in its order."""
    return [{**asdict(metric), "labels": list(metric.labels)} for metric in METRICS.values()]
