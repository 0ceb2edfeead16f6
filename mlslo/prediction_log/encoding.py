"""Lines of JSON for records whose values are Python's, numpy's or pandas'."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Set
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

_AS_TEXT = (PurePath, UUID, timedelta)
# By their names: pandas may not be installed.
_TEXTS_OF_PANDAS = ("Interval", "Period")
_MISSING_OF_PANDAS = ("NAType", "NaTType")


def encoded(record: dict[str, Any]) -> bytes:
    """Return a line of valid JSON: null where a number is not finite, no key where that is all that it has.

    Raises TypeError, ValueError or RecursionError where a value can be none of JSON.
    """
    try:
        text = _dumped(record)
    except ValueError:
        # Rarely: to look at each number takes longer than to write it.
        finite = {key: _finite(value) for key, value in record.items()}
        text = _dumped({key: value for key, value in finite.items() if value is not None})
    return text.encode() + b"\n"


def _dumped(record: dict[str, Any]) -> str:
    return json.dumps(record, default=_default, allow_nan=False, separators=(",", ":"))


def _default(value: Any) -> Any:
    """Return what ``_plain`` does; a missing value is an error here, as a number that is not finite is."""
    found = _plain(value)
    if found is None:
        raise ValueError("a missing value")
    return found


def _plain(value: Any) -> Any:
    """Return a value of a known type as one that JSON has, or one nearer to it. Raises TypeError for others."""
    name = type(value).__name__
    if name in _MISSING_OF_PANDAS:
        return None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return list(value)
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return getattr(value, method)()
    if isinstance(value, _AS_TEXT) or name in _TEXTS_OF_PANDAS:
        return str(value)
    raise TypeError(f"a value is of type {name}")


def _finite(value: Any) -> Any:
    """Return ``value`` with None in the place of each number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return _finite(_plain(value))
