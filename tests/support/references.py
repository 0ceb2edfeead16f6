"""References of numbers, without a file of data."""

from __future__ import annotations

import numpy as np

from exporter.references.baseline.source import Ordered, finite_values
from exporter.references.baseline.views import Quantiles, ranks
from exporter.references.reference import ViewReference
from exporter.summary.base import Flags, Floats
from exporter.summary.numeric import NumericSummary


def numeric_reference(values: Floats, invalid: Flags | None = None) -> ViewReference:
    """Summarise ``values`` (NaN = missing) over their own quantiles."""
    quantiles = _quantiles(values)
    binning = quantiles.binning
    summary = NumericSummary.fold(
        binning.edges, binning.pivot, values, np.zeros(len(values), dtype=np.intp), 1, invalid
    )[0]
    return quantiles.reference(summary)


def quantile_edges(values: Floats) -> tuple[Floats, Floats]:
    """(fine edges, deciles) of finite ``values``, each ascending without duplicates; deciles are among the fine."""
    quantiles = _quantiles(values)
    edges = quantiles.binning.edges
    counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    return edges, quantiles.deciles(counts.astype(np.float64))


def _quantiles(values: Floats) -> Quantiles:
    finite = finite_values(values)
    number = len(finite)
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(finite.sum())
    return Quantiles.of(Ordered(number, total, np.sort(finite)[ranks(number)] if number else finite))
