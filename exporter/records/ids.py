"""Ids of predictions: what they tell of a record that is delivered twice, and whether they can be ids of requests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exporter.records.columns import PredictionColumns
from exporter.state.sampling import hash_of
from exporter.summary.base import Integers

ENOUGH = 20
"""So many ids tell whether they repeat."""
LOOKED_AT = 1000
"""Of the first ids, where more are read."""

# An odd number without a pattern in its bits: 2**64 over the golden ratio.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def delivery_hashes(columns: PredictionColumns) -> Integers:
    """Return 64-bit hashes of records, shape (rows,), equal where id, time, version, status, latency and output are.

    The same id at another time, of another version, or with another status or output, is another record: a request
    that is sent again, that a shadow deployment answers as well, a second instance of one request.
    """
    found = joined_hashes(columns)
    versions = np.array([hash_of(name.encode()) for name in columns.version.names], dtype=np.int64)
    status = columns.status.astype(np.int64) << 32
    for column in (
        versions[columns.version.codes],
        status ^ columns.outputs.predicted,
        _bits(columns.outputs.score),
        _bits(columns.latency),
    ):
        found = _mixed(found, column)
    return found


def joined_hashes(columns: PredictionColumns) -> Integers:
    """Return 64-bit hashes of joined records, shape (rows,), equal where id and event time are.

    A request that is delivered again after its response never has one: it differs in all else.
    """
    return _mixed(columns.id, columns.time)


def _mixed(hashes: Integers, column: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> Integers:
    found = (hashes.view(np.uint64) ^ column.view(np.uint64)) * _FACTOR
    # Products mix upwards only.
    found ^= found >> np.uint64(32)
    return found.view(np.int64)


def repetition(ids: Integers, field: str) -> str | None:
    """Say that ``ids``, 0 where there is none, repeat in more than half of the records, which no delivery explains.

    None where they do not, or are too few. ``field``: where they are in a record.
    """
    known = ids[ids != 0]
    repeats = len(known) - len(np.unique(known))
    if len(known) < ENOUGH or 2 * repeats <= len(known):
        return None
    return (
        f"id '{field}' repeats in {repeats} of {len(known)} records: is it the id of a request? Records of equal id, "
        "time, version and output count once, and of each id one prediction is joined to a label"
    )


def _bits(values: npt.NDArray[np.float64]) -> Integers:
    """Return the bits of numbers; a NaN is 0, whatever its bits are."""
    return np.where(np.isnan(values), 0.0, values).view(np.int64)
