"""Doubts about the unit of latencies that the monitor file says.

A wrong unit is off by a factor of a thousand, and looks like a model that is a thousand times as slow, or as fast.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from exporter.summary.base import Floats
from mlslo.monitor import LatencyField, Spec

UNIT_SECONDS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
# Fewer say too little.
ENOUGH = 20


def doubt(latency: Floats, spec: Spec) -> str | None:
    """Say why the unit is probably another one; None where it may be right, or where there are too few to say.

    ``latency``: seconds as the file's unit makes them, NaN where none was logged. What can be is what
    ``latencyBuckets`` tell apart: half of the latencies beyond their last, or below a tenth of their first, cannot.
    Whole seconds are what milliseconds look like.
    """
    field = spec.predictions.fields.latency
    there = latency[latency >= 0]
    if field is None or len(there) < ENOUGH:
        return None
    median = float(np.median(there))
    first, last = spec.latencyBuckets[0], spec.latencyBuckets[-1]
    if median > last.seconds:
        found = f"half of them are {_shown(median)} or more, beyond the last of latencyBuckets, {last}"
    elif 0 < median < first.seconds / 10:
        found = f"half of them are {_shown(median)} or less, below a tenth of the first of latencyBuckets, {first}"
    elif field.unit == "s" and median >= 1 and bool(np.all(there == np.rint(there))):
        found = "all of them are whole numbers, as milliseconds are"
    else:
        return None
    return f"latencies at '{field.field}' are read as {field.unit}: {found}{_fits(median, field, spec)}"


def _fits(median: float, field: LatencyField, spec: Spec) -> str:
    logged = median / UNIT_SECONDS[field.unit]
    first, last = spec.latencyBuckets[0].seconds / 10, spec.latencyBuckets[-1].seconds
    for unit, seconds in UNIT_SECONDS.items():
        if unit != field.unit and first <= logged * seconds <= last:
            return f"; as {unit} it would be {_shown(logged * seconds)}"
    return "; if that is right, latencyBuckets should reach there"


def _shown(seconds: float) -> str:
    """``seconds`` in the unit that needs the fewest digits."""
    for unit, size in UNIT_SECONDS.items():
        if seconds >= size:
            return f"{seconds / size:.6g} {unit}"
    return f"{seconds:.6g} s"
