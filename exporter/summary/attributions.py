"""Feature attributions (SHAP values): how much each feature moved the predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from exporter.summary.base import Floats, Groups, Merge, Summary, count, merged_by


@dataclass(frozen=True, eq=False)
class AttributionSummary(Summary):
    """Sums of |attribution| by feature.

    ``features``: names, in a fixed order. ``explained``: rows with an attribution of any feature. ``rows``: those with
    one of the feature, ``magnitudes``: the sum of their |attribution|; shape (features,) each. NaN and ±inf count as
    missing.
    """

    features: tuple[str, ...]
    explained: Floats = merged_by(Merge.SUM)
    rows: Floats = merged_by(Merge.SUM)
    magnitudes: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(cls, features: tuple[str, ...], values: Floats, groups: Groups, size: int) -> Self:
        """A stack of ``size`` summaries of ``values``, shape (rows, features); NaN = missing."""
        shape = (size, len(features))
        rows, magnitudes = np.zeros(shape), np.zeros(shape)
        explained = np.zeros(len(groups), dtype=bool)
        for position in range(len(features)):
            column = values[:, position]
            finite = np.isfinite(column)
            explained |= finite
            members = groups[finite]
            rows[:, position] = count(members, size)
            magnitudes[:, position] = count(members, size, np.abs(column[finite]))
        return cls(
            features=features, explained=count(groups[explained], size), rows=rows, magnitudes=magnitudes
        )
