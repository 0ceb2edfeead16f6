"""Share of the most frequent value."""

from __future__ import annotations

from exporter.summary.hashed import SLOTS, RepetitionSummary


def top_value_ratio(summary: RepetitionSummary, *, constant: bool = True) -> float | None:
    """Share of the rows that hold the most frequent value; at most 1.

    ``constant``: False where the values are known to differ; then it is less than 1.

    The fullest slot's count, less what the other values are expected to add to it: on average off by
    1/1024 of the other values' share, but two frequent values may share a slot. None where nothing was counted.
    """
    total = float(summary.counts.sum())
    if not total:
        return None
    fullest = float(summary.counts.max())
    collisions = (total - fullest) / (SLOTS - 1)
    most = total if constant else total - 1.0
    return min(max(fullest - collisions, 1.0), most) / total
