"""Decoded rows of one layout, ready to be folded over any grouping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from exporter.features.binning.binning import Frame
from exporter.features.binning.numeric import NumericFrame
from exporter.summary.base import Floats, Groups, Rows
from exporter.tasks.answers import Answers

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Prepared:
    """Arrays of shape (rows,), but ``outside`` (rows, references) and ``attributions`` (rows, features);
    ``correlated`` is a column for each feature whose moments are counted. ``views`` and ``score`` are as their
    frames prepared them.
    ``fallback``: 1, 0 or NaN.
    """

    status: npt.NDArray[np.int32]
    latency: Floats
    answers: Answers
    fallback: Floats
    has_features: Mask
    views: Mapping[str, Any]
    frames: Mapping[str, Frame]
    score: Any
    score_frame: NumericFrame
    outside: Mask
    correlated: list[Floats]
    attributions: Floats | None

    @property
    def size(self) -> int:
        return len(self.status)

    def take(self, rows: Rows) -> Self:
        """Some rows, by ascending index or as a slice."""
        if not isinstance(rows, slice) and len(rows) == self.size:
            return self
        return replace(
            self,
            status=self.status[rows],
            latency=self.latency[rows],
            answers=self.answers.take(rows),
            fallback=self.fallback[rows],
            has_features=self.has_features[rows],
            views={view: self.frames[view].rows(prepared, rows) for view, prepared in self.views.items()},
            score=self.score_frame.rows(self.score, rows),
            outside=self.outside[rows],
            correlated=[column[rows] for column in self.correlated],
            attributions=None if self.attributions is None else self.attributions[rows],
        )

    def given_scores(self, groups: Groups) -> tuple[Any, Groups]:
        """The prepared scores of the rows with an answer, and their groups."""
        given = self.answers.given
        if given.all():
            return self.score, groups
        rows = np.flatnonzero(given)
        return self.score_frame.rows(self.score, rows), groups[rows]
