"""The story of the example model, in the recorded log's own time."""

from dataclasses import dataclass
from datetime import UTC, datetime

START = datetime(2025, 1, 6, 8, 0, tzinfo=UTC)
"""The start of the story. The log holds `HISTORY_MINUTES` of healthy traffic before it."""

HISTORY_MINUTES = 120


@dataclass(frozen=True)
class Phase:
    """A chapter: minutes after `START`, the release that serves it, and what goes on."""

    name: str
    start: float
    end: float
    version: str
    text: str


PHASES = (
    Phase("healthy", 0, 15, "1.0.0", "the model answers as it did when it was accepted"),
    Phase("drifting", 15, 45, "1.0.0", "the laboratory starts to report mmol/L where it reported mg/dL"),
    Phase("collapsed", 45, 70, "1.1.0", "a hurried release gives every patient the same score"),
    Phase("failing", 70, 90, "1.1.0", "now the release also fails every second request, and is slow"),
    Phase("repaired", 90, 130, "1.1.1", "a release that converts the units: all is well again"),
)

END_MINUTES = PHASES[-1].end


def phase_at(minute: float) -> Phase:
    """The chapter at a minute of the story; the first one before it starts, the last one after its end."""
    for phase in PHASES:
        if minute < phase.end:
            return phase
    return PHASES[-1]
