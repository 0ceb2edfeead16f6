"""What one measurement looks at: a version's summaries of one window, and of the references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.reference import Reference
from exporter.summary.composite import Composite


@dataclass(frozen=True)
class WindowFrame:
    """``traffic`` and ``outcome``: summaries of the window. ``seconds``: its length.

    ``static`` and ``sliding``: the references by name; the latter are summaries of the model's own past.
    """

    version: str
    window: str
    seconds: float
    minimum_samples: int
    traffic: Composite
    outcome: Composite
    static: Mapping[str, Reference]
    sliding: Mapping[str, Composite]

    @property
    def labels(self) -> dict[str, str]:
        return {"version": self.version, "window": self.window}

    def enough(self, rows: float) -> bool:
        """Whether ``rows`` are at least the monitor file's ``minSamples``."""
        return rows >= self.minimum_samples
