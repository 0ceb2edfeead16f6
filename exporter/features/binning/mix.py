"""Mixes: each value is spread over categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exporter.features.binning.binning import Frame
from exporter.summary.base import Floats, Groups, Rows, count
from exporter.summary.categorical import CategoricalSummary

_UNIT = 2.0**-20


@dataclass(frozen=True)
class MixFrame(Frame):
    """Values: amounts of each category, shape (rows, categories); a row of NaN is missing.

    A row counts as one, in shares of what it holds: a long value weighs no more than a short one. Shares are
    rounded to 2**-20, so that sums are exact (to 2**33 rows) whatever their order.
    """

    categories: tuple[str, ...]

    def empty(self) -> CategoricalSummary:
        return CategoricalSummary.empty(self.categories)

    def prepare(self, values: Floats) -> Floats:
        total = values.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            shares: Floats = np.round(values / total / _UNIT) * _UNIT
        # What rounding lost goes to the largest.
        largest = np.argmax(shares, axis=1)
        shares[np.arange(len(shares)), largest] += 1.0 - shares.sum(axis=1)
        return shares

    def rows(self, prepared: Floats, rows: Rows) -> Floats:
        return prepared[rows]

    def fold(self, prepared: Floats, groups: Groups, size: int) -> CategoricalSummary:
        missing = np.isnan(prepared).any(axis=1)
        shares, members = prepared[~missing], groups[~missing]
        counts = np.empty((size, len(self.categories)))
        for position in range(len(self.categories)):
            counts[:, position] = count(members, size, shares[:, position])
        return CategoricalSummary(
            categories=self.categories,
            missing=count(groups[missing], size),
            unseen=np.zeros(size),
            counts=counts,
        )

    def signature(self) -> bytes:
        return "\0".join(("mix", *self.categories)).encode()
