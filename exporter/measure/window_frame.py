"""What one measurement looks at: a version's summaries of one window, and of the references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.fold.schema import Schema
from exporter.measure.reasons import Reason
from exporter.references.reference import Reference
from exporter.summary.composite import Composite


@dataclass(frozen=True)
class WindowFrame:
    """``traffic`` and ``outcome``: summaries of the window. ``seconds``: its length.

    ``segment`` and ``segment_value``: whose rows; both empty for all traffic. ``static``: references with
    rows of their own, by name. ``past`` and ``past_outcome``: references that are the model's own past, as summaries.
    ``absent``: references that are not there, and why.
    """

    version: str
    window: str
    seconds: float
    minimum_samples: int
    schema: Schema
    traffic: Composite
    outcome: Composite
    past: Mapping[str, Composite]
    past_outcome: Mapping[str, Composite] = field(default_factory=dict)
    absent: Mapping[str, Reason] = field(default_factory=dict)
    segment: str = ""
    segment_value: str = ""

    @property
    def static(self) -> Mapping[str, Reference]:
        return self.schema.references

    @property
    def references(self) -> list[str]:
        """The names of all references that are there."""
        return [*self.static, *self.past]

    @property
    def labels(self) -> dict[str, str]:
        return {
            "version": self.version,
            "window": self.window,
            "segment": self.segment,
            "segment_value": self.segment_value,
        }

    def enough(self, rows: float) -> bool:
        """Whether ``rows`` are at least the monitor file's ``minSamples``."""
        return rows >= self.minimum_samples
