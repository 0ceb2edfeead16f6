"""Times and alerts as people read them."""

from __future__ import annotations

from datetime import datetime

from mlslo.yamlfile import Duration
from rulegen.simulation.labels import Labels


def duration(milliseconds: int) -> str:
    """``1h5m30s``."""
    return str(Duration.of_seconds(milliseconds / 1000)) if milliseconds else "0s"


def clock(moment: datetime) -> str:
    """``Sun 25 Oct 02:30:30 CEST``; clocks that are put back show the same hour under another name."""
    return f"{moment:%a %d %b %H:%M:%S %Z}"


def stretch(first: datetime, last: datetime) -> str:
    """From one moment to another, the date said once."""
    if first == last:
        return clock(first)
    end = f"{last:%H:%M:%S %Z}" if first.date() == last.date() else clock(last)
    return f"{clock(first)} to {end}"


def alert(labels: Labels, telling: frozenset[str]) -> str:
    """``FeatureDrift{feature="amount"}``: the name, and those labels that tell it from others of its name."""
    shown = labels.matching(telling)
    return f"{labels.get('alertname', '')}{shown}" if shown else labels.get("alertname", "")


def group(labels: Labels) -> str:
    """``model=fraud slo=auc``."""
    return " ".join(f"{name}={value}" for name, value in labels.items()) or "all"
