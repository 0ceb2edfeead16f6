"""Decoded values as text, for a person who looks whether the fields are mapped right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from exporter.features.binning import (
    Binning,
    CategoricalBinning,
    EmbeddingBinning,
    MixBinning,
    Numbers,
    Tokens,
    Vectors,
)
from exporter.features.kind import Kind
from exporter.records import FeatureSet
from exporter.summary.categorical import MISSING, UNSEEN

_MISSING = "missing"
_UNITS = {"length": " characters"}


def feature_lines(features: FeatureSet, columns: Mapping[str, Any], row: int) -> Iterator[tuple[str, str]]:
    """View and value, for all views of all features of one row."""
    for name, kind in features.kinds.items():
        for part, view in kind.views(name).items():
            binning = features.binnings.get(view)
            if binning is None:
                yield view, "not compared: no reference says how many numbers a vector has"
            else:
                yield view, _value(columns[view], row, binning, kind, part)


def moment(microseconds: float) -> str:
    """Epoch µs as RFC 3339, or as they are where no calendar has them."""
    try:
        return datetime.fromtimestamp(microseconds / 1e6, tz=UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return f"{microseconds / 1e6:.6g} s"


def number(value: Any, unit: str = "") -> str:
    """``value``, or that it is missing where it is NaN."""
    return _MISSING if np.isnan(value) else f"{float(value):.6g}{unit}"


def named(kind: Kind) -> str:
    """What a value of this kind is."""
    return {
        "categorical": "a category that a reference knows",
        "boolean": "true or false",
        "timestamp": "a point in time",
        "embedding": "a vector of numbers, as many as any other",
    }.get(kind.name, "a number")


def _value(values: Any, row: int, binning: Binning, kind: Kind, part: str) -> str:
    match binning, values:
        case CategoricalBinning(), _:
            return _category(int(values[row]), binning.categories, kind)
        case MixBinning(), _:
            return _mix(values[row], binning.categories)
        case EmbeddingBinning(), Vectors():
            if values.invalid[row]:
                return f"not a vector of {binning.dimensions} numbers"
            return _MISSING if values.missing[row] else f"{binning.dimensions} numbers"
        case _, Tokens():
            return _MISSING if values.missing[row] else f"{values.numbers[row]} words"
        case _, Numbers():
            if values.invalid is not None and values.invalid[row]:
                return f"not {named(kind)}"
            if kind.name == "timestamp" and np.isfinite(values.values[row]):
                return moment(values.values[row] * 1e6)
            return number(values.values[row], _UNITS.get(part, ""))
    raise TypeError(f"{type(binning).__name__} cannot be shown")


def _category(code: int, categories: tuple[str, ...], kind: Kind) -> str:
    if code == MISSING:
        return _MISSING
    if code == UNSEEN:
        return "neither true nor false" if kind.name == "boolean" else "a category that no reference knows"
    return repr(categories[code])


def _mix(amounts: Any, categories: tuple[str, ...]) -> str:
    if np.isnan(amounts).any():
        return _MISSING
    shares = amounts / amounts.sum()
    return ", ".join(f"{share:.0%} {name}" for name, share in zip(categories, shares, strict=True) if share)
