"""The size of a gauge's reference, and its number of bins."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlslo.monitor import Monitor

# Of a number: its reference's deciles.
BINS = 10
_MONTH = 30 * 86_400
# A reference file is a summary; what is larger is something else.
_LARGEST = 200_000_000


@dataclass(frozen=True)
class Size:
    """``rows``: infinite where nobody knows. ``numeric``, ``categorical``: bins by feature, where a file tells."""

    rows: float = math.inf
    numeric: Mapping[str, int] = field(default_factory=dict)
    categorical: Mapping[str, int] = field(default_factory=dict)
    score: int = BINS


def size(monitor: Monitor | None, name: str | None, per_second: float) -> Size:
    """The reference ``name`` of ``monitor``, at ``per_second`` predictions per second where it is the past."""
    reference = monitor.spec.references.get(name) if monitor is not None and name is not None else None
    if monitor is None or reference is None:
        return Size()
    length = reference.sliding or reference.first
    if length is not None:
        return Size(rows=per_second * length.seconds)
    if reference.calendar is not None:
        return Size(rows=per_second * _MONTH)
    assert reference.static is not None
    return _of_file(monitor.resolve(reference.static)) or Size()


def _of_file(path: Path) -> Size | None:
    """Read the size from a static reference's file; None where none can be read."""
    try:
        if path.stat().st_size > _LARGEST:
            return None
        data = json.loads(path.read_bytes())
        features = {name: item for name, item in data["features"].items() if isinstance(item, dict)}
        numeric = {name: bins for name, item in features.items() if (bins := _deciles(item))}
        categorical = {
            # What the reference has not seen is one more.
            name: len(item["categories"]) + 1
            for name, item in features.items()
            if item.get("type") in ("categorical", "boolean")
        }
        return Size(
            float(data["rows"]) or math.inf, numeric, categorical, _deciles(data.get("score")) or BINS
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _deciles(item: Any) -> int:
    return len(item["deciles"]) + 1 if isinstance(item, dict) and item.get("type") == "numeric" else 0
