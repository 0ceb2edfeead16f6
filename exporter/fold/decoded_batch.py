"""Decoded rows of one schema, ready to be folded over any grouping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats, Groups, Rows
from exporter.tasks.task import Outputs


@dataclass(frozen=True)
class DecodedBatch:
    """Arrays of shape (rows,), but ``outside`` (rows, references) and ``attributions`` (rows, features).

    ``views`` and ``score``: as their binnings prepared them. ``fallback``: 1, 0 or NaN. ``correlated``: the column of
    each feature whose moments are counted.
    """

    status: npt.NDArray[np.int32]
    latency: Floats
    outputs: Outputs
    fallback: Floats
    has_features: npt.NDArray[np.bool_]
    views: Mapping[str, Any]
    score: Any
    outside: npt.NDArray[np.bool_]
    correlated: Mapping[str, Floats]
    attributions: Floats | None

    def take(self, rows: Rows) -> Self:
        """Return some rows, by ascending index or as a slice."""
        if not isinstance(rows, slice) and len(rows) == len(self.status):
            return self
        return replace(self, **{item.name: _taken(getattr(self, item.name), rows) for item in fields(self)})

    def given_scores(self, groups: Groups) -> tuple[Any, Groups]:
        """Return the prepared scores of the rows with an answer, and their groups."""
        given = self.outputs.given
        if given.all():
            return self.score, groups
        rows = np.flatnonzero(given)
        return self.score[rows], groups[rows]


def _taken(column: Any, rows: Rows) -> Any:
    if isinstance(column, dict):
        return {name: values[rows] for name, values in column.items()}
    if isinstance(column, Outputs):
        return column.take(rows)
    return None if column is None else column[rows]
