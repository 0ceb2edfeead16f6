"""What predictions answered, as columns."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Floats

Codes = npt.NDArray[np.intp]
Payloads = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Answers:
    """Arrays of shape (rows,).

    ``score``: what drift is measured of: P(positive), the largest probability, the value, the first item's
    score; NaN where there is none. ``predicted``: a class as its code, -1 where unknown or no class.
    ``confidence``: probability of the predicted class, and ``entropy`` of the distribution in bits; NaN where
    unknown. ``value``: what tells equal answers from different ones, NaN where there is none, -1 for a class that
    nobody knows and for an empty list. ``payload``: more that a label is compared with, as bytes; None where the task
    needs nothing more.
    """

    score: Floats
    predicted: Codes
    confidence: Floats
    entropy: Floats
    value: Floats
    payload: Payloads | None = None

    @classmethod
    def nothing(cls) -> Self:
        """No rows."""
        none = np.empty(0)
        return cls(none, np.empty(0, dtype=np.intp), none, none, none)

    @property
    def given(self) -> npt.NDArray[np.bool_]:
        """Rows with an answer that a label can be compared with."""
        found: npt.NDArray[np.bool_] = ~np.isnan(self.value) | (self.predicted >= 0)
        return found

    def take(self, rows: npt.NDArray[Any] | slice) -> Self:
        """Some rows: a mask, indices or a slice."""
        columns = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(self, **{name: column[rows] for name, column in columns.items() if column is not None})
