"""Many sparse vectors merged at once equal those merged one after the other, extremes included."""

from __future__ import annotations

import numpy as np

from exporter.summary.base import Composite
from exporter.summary.numeric import NumericSummary


def test_at_once_equals_one_after_the_other() -> None:
    rng = np.random.default_rng(0)
    edges = np.linspace(-1, 1, 9)
    groups = np.sort(rng.integers(0, 12, 500))
    values = rng.normal(size=500)
    values[::50], values[::70] = np.nan, 1e300
    stack = Composite({"x": NumericSummary.fold(edges, 0.0, values, groups, 12)}).stack_vectors()
    empty = Composite({"x": NumericSummary.fold(edges, 0.0, np.empty(0), np.empty(0, dtype=np.intp), 1)[0]})
    one_by_one, at_once = empty.vector(), empty.vector()
    sparse = [(np.flatnonzero(vector != empty.vector()), vector) for vector in stack]
    for places, vector in sparse:
        empty.merge_numbers(one_by_one, places, vector[places])
    numbers = np.concatenate([vector[places] for places, vector in sparse])
    empty.merge_all(at_once, np.concatenate([places for places, _ in sparse]), numbers)
    assert np.array_equal(one_by_one, at_once, equal_nan=True)
    assert one_by_one.max() >= 1e300
