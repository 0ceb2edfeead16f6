"""Noise levels: what chance alone does to the statistics of a view."""

from __future__ import annotations

import math
from functools import lru_cache

from exporter.measure.drift import categories, numbers, vectors
from exporter.measure.drift.comparison import Noise
from exporter.measure.identity import Same
from exporter.references.reference import (
    CategoricalReference,
    EmbeddingReference,
    MixReference,
    NumericReference,
    ViewReference,
)
from exporter.summary.base import Summary
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.embedding import EmbeddingSummary
from exporter.summary.numeric import NumericSummary

_DIGITS = 7


def noise(current: Summary, bins: ViewReference, past: Summary | None) -> Noise:
    """The no-drift levels of the statistics that have one.

    Against a reference that stays as it is they are worked out once for about so many rows: rounded down to seven
    binary digits, at most 1/64 fewer. A level falls with 1/n or slower, so that it is at most 1.6 % too high.
    """
    rows = float(current.present)  # type: ignore[attr-defined]
    if past is None:
        return _against_static(Same(bins), rounded_rows(rows))
    return _levels(rows, bins, past)


def rounded_rows(rows: float) -> float:
    """``rows``, rounded down to seven binary digits."""
    step = 2.0 ** max(0, math.frexp(rows)[1] - _DIGITS)
    return math.floor(rows / step) * step


# Some 4 MB: windows hold a little more or less from cycle to cycle, and most find what an earlier one worked out.
@lru_cache(maxsize=8192)
def _against_static(reference: Same[ViewReference], rows: float) -> Noise:
    return _levels(rows, reference.item, reference.item.summary)


def _levels(rows: float, bins: ViewReference, reference: Summary) -> Noise:
    match reference, bins:
        case NumericSummary(), NumericReference():
            return numbers.noise(rows, reference, bins)
        case _, MixReference():
            return {}
        case CategoricalSummary(), CategoricalReference():
            return categories.noise(rows, reference, bins.summary.categories)
        case EmbeddingSummary(), EmbeddingReference():
            return vectors.noise(rows, reference)
    return {}
