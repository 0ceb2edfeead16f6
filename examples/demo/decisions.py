"""Decisions about alerts: the record of `mlslo-exporter act`, and its counts in Prometheus."""

from pathlib import Path
from urllib.parse import quote

from examples.demo.processes import get_json
from exporter.act.record import Entry, Record

_KINDS = ("waiting", "approved", "acted", "failed", "refused", "expired")
_SEEN = ("acted", "acknowledged", "silenced")


def decisions(state: Path) -> list[Entry]:
    """The decisions about actions in the record of the folder `state`, in their order."""
    record = Record(state)
    try:
        return [entry for entry in record.entries() if entry.kind in _KINDS]
    finally:
        record.close()


def outcomes(prometheus: str) -> dict[str, float]:
    """Episodes of alerts by what came of them. Raises OSError."""
    query = quote("sum by (outcome) (ml_alert_actions_total)")
    found = get_json(f"{prometheus}/api/v1/query?query={query}")["data"]["result"]
    return {series["metric"]["outcome"]: float(series["value"][1]) for series in found}


def seen_share(counts: dict[str, float]) -> float:
    """The share of episodes that somebody acted on, acknowledged or silenced; 0 where there are none."""
    return sum(counts.get(outcome, 0.0) for outcome in _SEEN) / max(1.0, sum(counts.values()))
