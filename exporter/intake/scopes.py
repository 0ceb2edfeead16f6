"""The values of segments and attributes: which of them rows have, and under which they are counted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exporter.intake.place import Integers, Place
from exporter.layouts import Layouts
from exporter.records import PredictionColumns
from exporter.state import Store

Values = dict[str, tuple[npt.NDArray[np.intp], list[str]]]
"""Scope -> each row's value as a code, and the values."""


class ScopeValues:
    """Values by segment or attribute, of rows that were read and of predictions that waited."""

    def __init__(self, layouts: Layouts, store: Store) -> None:
        self._names = list(dict.fromkeys((*layouts.segments, *layouts.attributes)))
        self._store = store

    def read(self, columns: PredictionColumns) -> Values:
        """Scope -> each row's value as a code, and the values; small values past the limit share one."""
        segments = self._store.segments
        found = {}
        for name, texts in columns.scopes.items():
            numbers = np.bincount(texts.codes, minlength=len(texts.names)).tolist()
            dropped = segments.count(name, dict(zip(texts.names, numbers, strict=True)))
            self._store.counters.add("ml_series_dropped_total", ("too_many_segment_values",), dropped)
            shown = [segments.shown(name, value) for value in texts.names]
            distinct = list(dict.fromkeys(shown))
            recode = np.array([distinct.index(value) for value in shown], dtype=np.intp)
            found[name] = (recode[texts.codes] if len(recode) else texts.codes, distinct)
        return found

    def combinations(self, place: Place) -> Integers:
        """Each row's code of its values of all scopes."""
        combined = np.zeros(len(place.version), dtype=np.int64)
        if not place.values:
            return combined
        for codes, names in place.values.values():
            combined = combined * max(len(names), 1) + codes
        distinct, first, inverse = np.unique(combined, return_index=True, return_inverse=True)
        numbers = np.zeros(len(distinct), dtype=np.int64)
        for position, row in enumerate(first):
            values = {name: names[codes[row]] for name, (codes, names) in place.values.items()}
            numbers[position] = self._store.segments.combination(values)
        return numbers[inverse]

    def waited(self, codes: Integers) -> Values:
        """The values of predictions that waited; one that has lost its series since counts as the others do."""
        segments = self._store.segments
        distinct, inverse = np.unique(codes, return_inverse=True)
        found = {}
        for name in self._names:
            shown = [segments.shown(name, segments.combined(int(code)).get(name, "")) for code in distinct]
            names = list(dict.fromkeys(shown))
            recode = np.array([names.index(value) for value in shown], dtype=np.intp)
            found[name] = (recode[inverse], names)
        return found
