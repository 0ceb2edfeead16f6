"""Catalogue of every metric: name, type, labels, unit, layer, better direction and help.

Import from here. A new metric is a row of ``metrics.py``; ``docs/metrics.md`` is generated from it.
"""

from __future__ import annotations

from dataclasses import asdict

from mlslo.catalogue.metric import Better, Layer, Metric, Type
from mlslo.catalogue.metrics import ROWS

__all__ = ["METRICS", "Better", "Layer", "Metric", "Type", "as_data"]

METRICS: dict[str, Metric] = {metric.name: metric for metric in ROWS}


def as_data() -> list[dict[str, object]]:
    """The catalogue as plain data, in its order."""
    return [{**asdict(metric), "labels": list(metric.labels)} for metric in METRICS.values()]
