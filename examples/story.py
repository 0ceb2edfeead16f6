"""What happens to the example model, in the recorded log's own time."""

from dataclasses import dataclass
from datetime import UTC, datetime

START = datetime(2025, 1, 6, 8, 0, tzinfo=UTC)
"""When the story starts. The log holds `HISTORY_MINUTES` of healthy traffic before it."""

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
    Phase("healthy", 0, 20, "1.0.0", "the model answers as it did when it was accepted"),
    Phase("drifting", 20, 60, "1.0.0", "the laboratory starts to report mmol/L where it reported mg/dL"),
    Phase("collapsed", 60, 80, "1.1.0", "a hurried release answers every request with the same score"),
    Phase("failing", 80, 100, "1.1.0", "the release now fails every second request, and is slow"),
    Phase("repaired", 100, 150, "1.1.1", "a release that converts the units; everything is well again"),
)

END_MINUTES = PHASES[-1].end


def phase_at(minute: float) -> Phase:
    """The chapter at a minute of the story; the first one before it starts, the last one after its end."""
    for phase in PHASES:
        if minute < phase.end:
            return phase
    return PHASES[-1]
