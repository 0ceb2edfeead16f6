"""Features together: sums and products of standardised numbers, from which come their covariances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from exporter.summary.base import Flags, Floats, Groups, Merge, Summary, count, merged_by

CLIP = 10.0
# A block of standardised values stays in a core's cache.
_BLOCK = 2**17


@dataclass(frozen=True, eq=False)
class SecondMomentsSummary(Summary):
    """Sums and products of z = (value - mean) / deviation, clipped to ±10.

    ``means``, ``deviations``: shape (features,), finite; of the reference. ``rows``: those with a finite value in any
    feature. ``sums``: of z, shape (features,). ``products``: of z[i] * z[j] for i <= j, row by row, shape
    (features * (features + 1) / 2,).

    A value that is missing or infinite counts as the mean, z = 0: many of them draw a feature's variance towards 0,
    which the missing ratio tells apart. Without the clip one enormous value would own the covariance. A feature
    whose deviation is 0 contributes 0.
    """

    means: Floats
    deviations: Floats
    rows: Floats = merged_by(Merge.SUM)
    sums: Floats = merged_by(Merge.SUM)
    products: Floats = merged_by(Merge.SUM)

    @classmethod
    def fold(
        cls, means: Floats, deviations: Floats, columns: Sequence[Floats] | Floats, groups: Groups, size: int
    ) -> Self:
        """A stack of ``size`` summaries of a column of shape (rows,) for each feature; NaN = missing."""
        features = len(means)
        rows = np.zeros(size)
        sums = np.zeros((size, features))
        squares = np.zeros((size, features, features))
        step = max(64, _BLOCK // max(features, 1))
        if np.any(groups[1:] < groups[:-1]):
            order = np.argsort(groups, kind="stable")
            columns, groups = [column[order] for column in columns], groups[order]
        for start in range(0, len(groups) if features else 0, step):
            block, used = _standardised(
                means, deviations, [column[start : start + step] for column in columns]
            )
            members = groups[start : start + step]
            if not used.all():
                block, members = block[:, used], members[used]
            if not len(members):
                continue
            rows += count(members, size)
            starts = np.concatenate([[0], np.flatnonzero(np.diff(members)) + 1])
            found = members[starts]
            sums[found] += np.add.reduceat(block, starts, axis=1).T
            for group, begin, end in zip(found, starts, [*starts[1:], len(members)], strict=True):
                part = block[:, begin:end]
                squares[group] += part @ part.T
        upper = np.triu_indices(features)
        return cls(
            means=means, deviations=deviations, rows=rows, sums=sums, products=squares[:, upper[0], upper[1]]
        )

    @property
    def mean(self) -> Floats:
        """Mean of z, shape (features,). NaN where nothing was counted."""
        return self.sums / self.rows if self.rows else np.full(len(self.means), np.nan)

    @property
    def second_moment(self) -> Floats:
        """Mean of the outer product of z with itself, shape (features, features). NaN where nothing was counted."""
        features = len(self.means)
        if not self.rows:
            return np.full((features, features), np.nan)
        upper = np.triu_indices(features)
        matrix = np.zeros((features, features))
        matrix[upper] = self.products / self.rows
        matrix.T[upper] = matrix[upper]
        return matrix

    @property
    def covariance(self) -> Floats:
        """Population covariance of z, shape (features, features). NaN where nothing was counted."""
        return self.second_moment - np.outer(self.mean, self.mean)

    @cached_property
    def principal(self) -> tuple[Floats, Floats]:
        """Variances along the principal components, ascending, and those as columns; as ``numpy.linalg.eigh`` has them.

        Kept, for every window is compared with the same reference.
        """
        variances, components = np.linalg.eigh(self.covariance)
        return variances, components


def _standardised(means: Floats, deviations: Floats, columns: Sequence[Floats]) -> tuple[Floats, Flags]:
    """z by feature, shape (features, rows), and which rows have a finite value."""
    length = len(columns[0]) if len(columns) else 0
    block = np.empty((len(means), length))
    used = np.zeros(length, dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        for z, mean, deviation, column in zip(block, means, deviations, columns, strict=True):
            finite = np.isfinite(column)
            used |= finite
            if not deviation > 0:
                z[:] = 0.0
                continue
            np.subtract(column, mean, out=z)
            np.divide(z, deviation, out=z)
            np.maximum(z, -CLIP, out=z)
            np.minimum(z, CLIP, out=z)
            if not finite.all():
                z[~finite] = 0.0
    return block, used
