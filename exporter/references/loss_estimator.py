"""Estimator of a regression's losses: small boosted trees over features and prediction, as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exporter.summary.base import Codes, Flags, Floats


@dataclass(frozen=True, eq=False)
class Tree:
    """Nodes as arrays of one shape, the root first. A node without children (``left`` of 0) is a leaf.

    A row whose ``feature`` is at most ``threshold`` goes ``left``, else ``right``; a missing one where ``missing_left``
    says. ``value``: of a leaf.
    """

    feature: Codes
    threshold: Floats
    left: Codes
    right: Codes
    missing_left: Flags
    value: Floats

    def predict(self, columns: Floats) -> Floats:
        """Return the value of the leaf of each row of ``columns``, shape (rows, features); NaN = missing."""
        return np.broadcast_to(self._below(0, columns), (len(columns),))

    def _below(self, node: int, columns: Floats) -> Floats:
        """Values of the rows, were they all at ``node``: comparing whole columns is faster than following rows."""
        if not self.left[node]:
            leaf: Floats = self.value[node]
            return leaf
        values, threshold = columns[:, self.feature[node]], self.threshold[node]
        # NaN is neither above nor at most the threshold.
        goes_left = ~(values > threshold) if self.missing_left[node] else values <= threshold
        sides = (self._below(int(side), columns) for side in (self.left[node], self.right[node]))
        return np.where(goes_left, *sides)


@dataclass(frozen=True, eq=False)
class Boosted:
    """A sum of trees and a ``base``."""

    base: float
    trees: Sequence[Tree]

    def predict(self, columns: Floats) -> Floats:
        """Return the estimate of each row, which is a loss: 0 or more."""
        total = np.full(len(columns), self.base)
        for tree in self.trees:
            total += tree.predict(columns)
        found: Floats = np.maximum(total, 0.0)
        return found


@dataclass(frozen=True, eq=False)
class LossEstimator:
    """Estimates |prediction - label| and its square.

    ``features``: name -> its categories, whose places are the values; none of a number. The last column is the
    prediction. ``rows``: labelled rows it was fitted to.
    """

    features: Mapping[str, tuple[str, ...]]
    rows: int
    absolute: Boosted
    squared: Boosted

    def estimate(self, columns: Floats) -> tuple[Floats, Floats]:
        """Return the absolute and the squared loss of each row of ``columns``, shape (rows, features + 1).

        NaN where there is no prediction.
        """
        known = np.isfinite(columns[:, -1])
        usable = np.asfortranarray(np.where(np.isfinite(columns), columns, np.nan)[known])
        absolute, squared = (np.full(len(columns), np.nan) for _ in range(2))
        absolute[known], squared[known] = self.absolute.predict(usable), self.squared.predict(usable)
        return absolute, squared

    def signature(self) -> bytes:
        """Return bytes that differ where sums of estimates would not merge."""
        parts = [repr(sorted(self.features.items())).encode()]
        for boosted in (self.absolute, self.squared):
            parts.append(repr(boosted.base).encode())
            parts += [tree.threshold.tobytes() + tree.value.tobytes() for tree in boosted.trees]
        return b"\0".join(parts)
