"""Views of one feature of the data, numbers over their quantiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from exporter.features import KINDS
from exporter.features.binning import Binning, CategoricalBinning, EmbeddingBinning, Numbers, NumericBinning
from exporter.features.kind import Enumeration, Kind
from exporter.parse import sql
from exporter.references.baseline.columns import MOST_CATEGORIES, Column
from exporter.references.baseline.source import Source
from exporter.references.reference import FeatureViews, ViewReference
from exporter.summary.base import Codes, Flags, Floats, Summary
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.numeric import NumericSummary

FINE_BINS = 200
_PER_DECILE = FINE_BINS // 10
_HALF_OF_ALL = np.finfo(np.float64).max / 2
_ROWS_OF_NUMBERS = 1 << 19
_ROWS_OF_TEXT = 1 << 15
_NUMBERS_OF_VECTORS = 1 << 21
_NAMES = {"numeric": "finite number", "boolean": "true or false", "timestamp": "point in time"}


def describe(source: Source, column: Column, kind_name: str) -> FeatureViews | str:
    """Summarise every view of ``column`` as the kind, or say why there is nothing to be compared with."""
    if kind_name == "categorical":
        found = categories(source, column)
        return found if isinstance(found, str) else FeatureViews(kind_name, {"value": found})
    kind = KINDS[kind_name]
    binnings = dict(kind.binnings)
    if kind.name == "embedding":
        ((dimensions,),) = source.query(f"SELECT mode(len({column.parsed('vector')})) FROM source")
        if not dimensions:
            return "no vector in the data"
        binnings["vector"] = EmbeddingBinning(dimensions)
    views = _read(source, column, kind, binnings)
    described = FeatureViews(kind.name, {view: views[view] for view in kind.suffixes})
    if not described.primary.summary.present:
        return f"no {_NAMES.get(kind.name, 'value')} in the data"
    if not all(comparable(view) for view in described.views.values()):
        return "numbers so large that their squares cannot be summed"
    return described


def categories(source: Source, column: Column) -> ViewReference | str:
    """Count every value as a category, the most frequent first, or say why that cannot be."""
    value = sql.canonical(column.text)
    counts = source.query(
        f"SELECT {value} AS category, count(*) AS number FROM source GROUP BY 1 ORDER BY 2 DESC, 1 "
        f"LIMIT {MOST_CATEGORIES + 2}"
    )
    known = [(category, number) for category, number in counts if category is not None]
    if not known:
        return "no value in the data"
    if len(known) > MOST_CATEGORIES:
        ((distinct,),) = source.query(f"SELECT count(DISTINCT {value}) FROM source")
        return f"{distinct} distinct values, more than {MOST_CATEGORIES} categories"
    names, numbers = zip(*known, strict=True)
    missing = sum(number for category, number in counts if category is None)
    summary = CategoricalSummary(
        categories=names,
        missing=np.asarray(missing, dtype=np.float64),
        unseen=np.zeros(()),
        counts=np.array(numbers, dtype=np.float64),
    )
    return ViewReference(CategoricalBinning(names), summary)


def numeric_reference(values: Floats, invalid: Flags | None = None) -> ViewReference:
    """Summarise ``values`` (NaN = missing) over their own quantiles."""
    finite = values[np.isfinite(values)]
    edges, deciles = quantile_edges(finite)
    with np.errstate(over="ignore", invalid="ignore"):
        pivot = float(finite.mean()) if len(finite) else 0.0
        if not np.isfinite(pivot):
            pivot = float(np.median(finite / 2)) * 2
    summary = NumericSummary.fold(edges, pivot, values, _one_group(len(values)), 1, invalid)[0]
    return ViewReference(NumericBinning(edges, pivot), summary, deciles)


def quantile_edges(values: Floats) -> tuple[Floats, Floats]:
    """(fine edges, deciles) of finite ``values``, each ascending without duplicates; deciles are among the fine.

    Quantiles are numpy's default, linear interpolation. A value that several quantiles fall on is told apart
    from what lies below it: among the fine edges always, among the deciles where the reference has nothing in
    between, so that a sample that leaves it downwards is seen leaving. Both are empty where there are no values.
    """
    if not len(values):
        return np.empty(0), np.empty(0)
    # Between two values that are further apart than the largest number there is no interpolating.
    scale = 2.0 if values.max() / 2 - values.min() / 2 > _HALF_OF_ALL else 1.0
    quantiles = np.quantile(values / scale, np.arange(1, FINE_BINS) / FINE_BINS) * scale
    distinct, repeats = np.unique(quantiles, return_counts=True)
    # What lies outside the reference is told apart too: two samples that do not touch have a D of exactly 1.
    ends = (np.nextafter(values.min(), -np.inf), values.max())
    fine = np.union1d(np.union1d(distinct, ends), np.nextafter(distinct[repeats > 1], -np.inf))
    deciles, repeats = np.unique(quantiles[_PER_DECILE - 1 :: _PER_DECILE], return_counts=True)
    below = np.nextafter(deciles, -np.inf)
    ordered = np.sort(values)
    up_to_below, up_to_previous = (
        np.searchsorted(ordered, edges, side="right") for edges in (below, np.append(-np.inf, deciles[:-1]))
    )
    deciles = np.union1d(deciles, below[(repeats > 1) & (up_to_below == up_to_previous)])
    return np.union1d(fine, deciles), deciles


def comparable(reference: ViewReference) -> bool:
    """Return False where a mean or a standard deviation cannot be had: of numbers beyond 1e154."""
    summary = reference.summary
    return not isinstance(summary, NumericSummary) or bool(
        np.isfinite(summary.pivot)
        and np.isfinite(summary.squared_deviations)
        and np.isfinite(summary.deviations).all()
    )


def decoded(
    source: Source, column: Column, kind: Kind, binnings: Mapping[str, Binning]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield blocks of rows: their number, and the values of each view as ``binnings`` take them."""
    enumerations = {
        view: Enumeration(source.define(f"{view} of {column.feature}", binning.categories), numbers=True)
        for view, binning in binnings.items()
        if kind.name == "categorical" and isinstance(binning, CategoricalBinning)
    }
    expressions = kind.expressions(column.parsed(kind.parsed_as), enumerations)
    expressions.setdefault("invalid", column.invalid(kind.parsed_as))
    rows = _ROWS_OF_TEXT if kind.name == "text" else _ROWS_OF_NUMBERS
    if isinstance(vectors := binnings.get("vector"), EmbeddingBinning):
        rows = max(1, _NUMBERS_OF_VECTORS // vectors.dimensions)
    for raw in source.blocks(expressions, rows):
        yield len(next(iter(raw.values()))), kind.decode(raw, binnings)


def _read(
    source: Source, column: Column, kind: Kind, binnings: Mapping[str, Binning]
) -> dict[str, ViewReference]:
    numbers: dict[str, list[Numbers]] = {}
    summaries: dict[str, Summary] = {}
    for rows, block in decoded(source, column, kind, binnings):
        for view, values in block.items():
            binning = binnings[view]
            if isinstance(binning, NumericBinning):
                numbers.setdefault(view, []).append(values)
            else:
                summaries[view] = summaries.get(view, binning.empty()) + _folded(binning, values, rows)
    found: dict[str, ViewReference] = {
        view: numeric_reference(
            np.concatenate([part.values for part in parts]),
            np.concatenate(
                [np.zeros(len(part.values), bool) if part.invalid is None else part.invalid for part in parts]
            ),
        )
        for view, parts in numbers.items()
    }
    return found | {view: ViewReference(binnings[view], summary) for view, summary in summaries.items()}


def _folded(binning: Binning, values: Any, rows: int) -> Summary:
    stack: Summary = binning.fold(binning.prepare(values), _one_group(rows), 1)
    return stack[0]


def _one_group(rows: int) -> Codes:
    return np.zeros(rows, dtype=np.intp)
