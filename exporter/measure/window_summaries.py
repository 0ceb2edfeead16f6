"""Summaries of one version in one window, those of its references, and the gauges that they become."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from exporter.fold.schema import Schema
from exporter.measure.gauges import Gauges, Reason
from exporter.references.reference import Reference
from exporter.summary.base import Floats
from exporter.summary.composite import Composite
from exporter.tasks.task import Task
from mlslo.monitor import Spec

Summarised = TypeVar("Summarised")


@dataclass(frozen=True)
class WindowSummaries:
    """``traffic`` and ``outcome``: of the window, which is ``seconds`` long.

    ``segment`` and ``segment_value``: whose rows; both empty for all traffic. ``past`` and ``past_outcome``: of the
    references that are windows of the model's own history, by name. ``absent``: references that are not there, and
    why. ``sink_up``: whether the prediction log can be read. ``gauges``: where every gauge is set; where there is a
    reason in ``withheld_for``, it is withheld instead.
    """

    gauges: Gauges
    spec: Spec
    task: Task
    schema: Schema
    version: str
    window: str
    seconds: float
    segment: str
    segment_value: str
    traffic: Composite
    outcome: Composite
    past: Mapping[str, Composite]
    past_outcome: Mapping[str, Composite]
    absent: Mapping[str, Reason]
    sink_up: bool
    withheld_for: Reason | None = None

    @property
    def static(self) -> Mapping[str, Reference]:
        """References with rows of their own, by name."""
        return self.schema.references

    @property
    def labels(self) -> dict[str, str]:
        """The labels that all gauges of the window have."""
        return {
            "version": self.version,
            "window": self.window,
            "segment": self.segment,
            "segment_value": self.segment_value,
        }

    def enough(self, rows: float | Floats) -> bool:
        """Return whether ``rows`` are at least the monitor file's ``minSamples``."""
        return bool(rows >= self.spec.minSamples)

    def set(
        self, name: str, value: float | None, rows: float | Floats | None = None, /, **labels: str
    ) -> None:
        """Export ``value``; withhold it where the ``rows`` that it rests on are too few."""
        enough = rows is None or self.enough(rows)
        if enough and self.withheld_for is not None:
            self.withhold(name, self.withheld_for, **labels)
        else:
            self.gauges.set_if(enough, name, value, **self.labels, **labels)

    def set_all(
        self,
        metrics: Mapping[str, Callable[[Summarised], float | None]],
        summary: Summarised,
        rows: float | Floats,
    ) -> None:
        """Export every one of ``metrics`` of ``summary``, where the ``rows`` that it rests on are enough."""
        for name, metric in metrics.items():
            self.set(name, metric(summary) if self.enough(rows) else None, rows)

    def withhold(self, name: str, reason: Reason, **labels: str) -> None:
        """Count one series of ``name`` that is not exported."""
        self.gauges.withhold(name, reason, **self.labels, **labels)
