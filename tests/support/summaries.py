"""Compare summaries whose sums are rounded."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Summary


def isclose(one: Summary, other: Summary) -> bool:
    """Whether two summaries are equal up to the rounding of sums."""
    return np.allclose(one.vector(), other.vector(), rtol=1e-9, atol=1e-9)
