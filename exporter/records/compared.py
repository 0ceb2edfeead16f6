"""Values of features as 64-bit codes, so that served and offline ones can be kept in little room and compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from exporter.features.kind import Column
from exporter.features.scalars import FALSE, TRUE
from exporter.parse import sql
from exporter.parse.json_lines import filled
from exporter.parse.times import epoch_microseconds
from exporter.summary.base import Integers
from exporter.summary.skew import NO_CODE

NUMERIC = "numeric"
_BY_TEXT = ("categorical", "text")
COMPARABLE = (NUMERIC, "timestamp", "boolean", *_BY_TEXT)
"""Kinds of features that have one value: all but embeddings."""

_PREFIX = "compared "


def expression(kind: str, value: str) -> str:
    """Return SQL for what a value is compared by; ``value``: SQL for the raw one, parsed as its kind has it.

    Numbers are themselves, times epoch µs, true and false 1 and 0, texts and categories a hash that no upgrade changes;
    a whole number is the same category with ``.0`` and without. NULL: nothing that can be read as the kind.
    """
    match kind:
        case "numeric":
            return value
        case "timestamp":
            return epoch_microseconds(value)
        case "boolean":
            return (
                f"CASE WHEN lower({value}) IN {TRUE} THEN 1 WHEN lower({value}) IN {FALSE} THEN 0 END::BIGINT"
            )
        case "categorical":
            # To look at the end first costs a tenth of what matching every value would.
            value = f"CASE WHEN suffix({value}, '0') THEN {sql.canonical(value)} ELSE {value} END"
    return f"md5_number_lower({value})::UBIGINT"


def expressions(values: Mapping[str, str], compared: Mapping[str, str]) -> dict[str, str]:
    """Alias -> SQL. ``values``: feature -> SQL for its raw value. ``compared``: feature -> kind."""
    return {_PREFIX + name: expression(kind, values[name]) for name, kind in compared.items()}


def codes(raw: Mapping[str, Column], compared: Mapping[str, str]) -> Integers:
    """Return the codes of ``expressions``; shape (rows, features), ``NO_CODE`` where there is no value."""
    found = []
    for name, kind in compared.items():
        column = raw[_PREFIX + name]
        if kind == NUMERIC:
            # Minus zero is zero: its bits are those of no value.
            numbers = filled(column.astype(np.float64, copy=False), np.nan) + 0.0
            found.append(np.where(np.isnan(numbers), NO_CODE, numbers.view(np.int64)))
        elif kind in _BY_TEXT:
            missing = np.ma.getmaskarray(column)
            hashes = filled(column, 0).astype(np.uint64).view(np.int64)
            found.append(np.where(missing, NO_CODE, hashes))
        else:
            found.append(filled(column, NO_CODE).astype(np.int64))
    rows = len(next(iter(raw.values())))
    return np.stack(found, axis=1) if found else np.empty((rows, 0), dtype=np.int64)
