"""Snapshots: what a cycle exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Histogram:
    """``buckets``: (upper bound as text, cumulative count), ``+Inf`` last."""

    buckets: list[tuple[str, float]]
    total: float


@dataclass(frozen=True)
class Snapshot:
    """All that one cycle exports. ``histograms``: of ml_prediction_latency_seconds, by version."""

    model: str
    series: Mapping[str, Mapping[tuple[str, ...], float]]
    histograms: Mapping[str, Histogram]

    def newest_outside_windows(self) -> str | None:
        """The end of windows that the newest prediction would lie in, as RFC 3339; None where any window has one."""
        newest = self.series.get("ml_sink_last_event_timestamp_seconds", {}).get((self.model, "predictions"))
        if newest is None or any(self.series.get("ml_monitor_samples", {}).values()):
            return None
        return datetime.fromtimestamp(int(newest) + 1, tz=UTC).isoformat()
