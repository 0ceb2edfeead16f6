"""Values of segments and attributes: those that rows have, and those under which they are counted."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from exporter.fold.grouping import BucketKeys, Indices, Integers
from exporter.fold.version_schemas import VersionSchemas
from exporter.records import PredictionColumns
from exporter.state import Store

Values = dict[str, tuple[npt.NDArray[np.intp], list[str]]]
"""Scope -> each row's value as a code, and the values; a negative code where the value is not known."""


class ScopeValues:
    """Values by segment or attribute, of rows that were read and of predictions that waited."""

    def __init__(self, schemas: VersionSchemas, store: Store) -> None:
        self._names = list(dict.fromkeys((*schemas.segments, *schemas.attributes)))
        self._store = store

    def read(self, columns: PredictionColumns) -> Values:
        """Count the values of rows that were read; small ones past the limit share one."""
        segments = self._store.segments
        found = {}
        weights = segments.weights(columns.time) if columns.scopes else np.empty(0)
        for name, texts in columns.scopes.items():
            rows = np.bincount(texts.codes, weights=weights, minlength=len(texts.names)).tolist()
            dropped = segments.count(name, dict(zip(texts.names, rows, strict=True)))
            self._store.counters.add("ml_series_dropped_total", ("too_many_segment_values",), dropped)
            recode, values = _coded(segments.shown(name, value) for value in texts.names)
            found[name] = (recode[texts.codes], values)
        return found

    def combinations(self, keys: BucketKeys) -> Integers:
        """Return for each row the number of its values of all scopes."""
        if not keys.values or not len(keys.version):
            return np.zeros(len(keys.version), dtype=np.int64)
        combined = np.stack([codes for codes, _ in keys.values.values()], axis=1)
        distinct, first, inverse = np.unique(combined, axis=0, return_index=True, return_inverse=True)
        inverse = inverse.ravel()
        newest = np.full(len(distinct), np.iinfo(np.int64).min)
        np.maximum.at(newest, inverse, keys.time)
        contents = [
            {name: names[codes[row]] for name, (codes, names) in keys.values.items()} for row in first
        ]
        numbers = self._store.combinations.codes(contents, newest.tolist())
        return np.array(numbers, dtype=np.int64)[inverse]

    def of_pending(self, numbers: Integers) -> Values:
        """The values of predictions that waited, by what ``combinations`` gave them.

        A segment that was not asked for when they came does not know them.
        """
        distinct, inverse = np.unique(numbers, return_inverse=True)
        contents = [self._store.combinations.content(number) for number in distinct.tolist()]
        found = {}
        for name in self._names:
            recode, values = _coded(content.get(name) for content in contents)
            found[name] = (recode[inverse], values)
        return found


def _coded(values: Iterable[str | None]) -> tuple[Indices, list[str]]:
    """Each value as a code, and the distinct ones; None is -1."""
    codes: dict[str, int] = {}
    found = [-1 if value is None else codes.setdefault(value, len(codes)) for value in values]
    return np.array(found, dtype=np.intp), list(codes)
