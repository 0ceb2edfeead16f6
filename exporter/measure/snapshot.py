"""What a cycle exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
