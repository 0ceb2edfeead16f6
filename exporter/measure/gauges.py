"""Collect gauges, and count those that are withheld."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from mlslo.catalogue import METRICS


class Reason(StrEnum):
    """Reason why a gauge is withheld: the label ``reason`` of ml_gauge_withheld."""

    UNKNOWN_TYPE = "unknown_type"
    TOO_FEW_SAMPLES = "too_few_samples"
    TOO_FEW_GROUPS = "too_few_groups"
    REFERENCE_TOO_SMALL = "reference_too_small"
    REFERENCE_MISSING = "reference_missing"
    REFERENCE_WITHOUT_LABELS = "reference_without_labels"
    NOT_IN_REFERENCE = "not_in_reference"
    UNDEFINED = "undefined"
    SINK_DOWN = "sink_down"
    LABELS_INCOMPLETE = "labels_incomplete"
    CLASSES_UNKNOWN = "classes_unknown"
    TOO_MANY_CLASSES = "too_many_classes"
    NOT_BINARY = "not_binary"


@dataclass
class Gauges:
    """Series by metric name; label values in the catalogue's order.

    Nothing that is not a finite number gets in: it is withheld, and counted with its reason.
    """

    model: str
    series: dict[str, dict[tuple[str, ...], float]] = field(default_factory=dict)
    withheld: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)

    def set(self, name: str, value: float | None, **labels: str) -> None:
        """Export ``value``; None or a value that is not finite is withheld as undefined."""
        if value is None or not math.isfinite(value):
            self.withhold(name, Reason.UNDEFINED, **labels)
            return
        labels["model"] = self.model
        values = tuple([labels.get(label, "") for label in METRICS[name].labels])
        self.series.setdefault(name, {})[values] = float(value)

    def set_if(self, enough: bool, name: str, value: float | None, **labels: str) -> None:
        """Export ``value`` where there are rows enough; withhold it elsewhere."""
        if enough:
            self.set(name, value, **labels)
        else:
            self.withhold(name, Reason.TOO_FEW_SAMPLES, **labels)

    def withhold(self, name: str, reason: Reason, **labels: str) -> None:
        """Count one series of ``name`` that is not exported."""
        self.withheld[labels.get("version", ""), labels.get("window", ""), name, reason] += 1
