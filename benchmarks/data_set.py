"""A data set whose features are counted, compared and judged by the exporter's own code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from exporter.features.binning import CategoricalBinning
from exporter.measure.drift import Pair
from exporter.references.baseline.noise import Blocks, ViewBlocks, counts_of_blocks, noise_of
from exporter.references.noise import Noise
from exporter.references.reference import ViewReference
from exporter.statistics.false_discovery import drifted
from exporter.summary.base import Codes, Floats
from exporter.summary.categorical import UNSEEN, CategoricalSummary
from mlslo.monitor import Drift
from tests.support.references import numeric_reference

EFFECT_SIZE = Drift().effectSize
ALARM = 4
"""The data-set alarm rings where so many features drifted."""

Values = Mapping[str, Floats | Codes]


class DataSet:
    """A reference of features, of numbers where an array is of floats, of categories where it is of codes.

    ``learn``: its noise, from its stretches in the order of the rows.
    """

    def __init__(self, values: Values, *, learn: bool = True) -> None:
        self.views = {name: _reference(array) for name, array in values.items()}
        self.rows = len(next(iter(values.values())))
        self.noise = self._noise(values) if learn else None
        if self.noise is not None:
            self.views = {
                name: replace(view, noise=self.noise.of_view(name, view.summary.present / self.rows))
                for name, view in self.views.items()
            }

    def _noise(self, values: Values) -> Noise | None:
        blocks = Blocks.of(self.rows)
        groups = np.minimum(np.arange(self.rows) // blocks.rows, blocks.number)

        def view(name: str) -> ViewBlocks:
            binning = self.views[name].binning
            prepared = binning.prepare(values[name])
            return ViewBlocks.of(
                name, self.views[name], counts_of_blocks(binning, prepared, groups, blocks.number)
            )

        return noise_of(((name, view(name)) for name in values), blocks) if blocks.are_enough else None

    def drifted(self, values: Values, effect_size: float = EFFECT_SIZE) -> set[str]:
        """Return the features of a window that drifted."""
        p_values, effects = {}, {}
        rows = len(next(iter(values.values())))
        for name, array in values.items():
            summary = self._fold(name, array, np.zeros(rows, dtype=np.intp), 1)[0]
            pair = Pair(summary, self.views[name])
            if summary.present and pair.p_value is not None and pair.effect_size is not None:
                p_values[name], effects[name] = pair.p_value, pair.effect_size
        dependence = None if self.noise is None else self.noise.dependence_at(rows, 0.0)
        return drifted(p_values, effects, effect_size, dependence)

    def rings(self, values: Values) -> bool:
        """Return whether the data-set alarm rings on a window."""
        return len(self.drifted(values)) >= ALARM

    def _fold(self, name: str, array: Any, groups: Codes, size: int) -> Any:
        binning = self.views[name].binning
        if isinstance(binning, CategoricalBinning):
            array = np.where(array < len(binning.categories), array, UNSEEN)
        return binning.fold(binning.prepare(array), groups, size)


def _reference(array: Any) -> ViewReference:
    if array.dtype.kind == "f":
        return numeric_reference(array)
    categories = tuple(map(str, range(int(array.max()) + 1)))
    summary = CategoricalSummary.fold(categories, array, np.zeros(len(array), dtype=np.intp), 1)[0]
    return ViewReference(CategoricalBinning(categories), summary)
