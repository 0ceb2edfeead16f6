"""Views of one feature of the data, numbers over their quantiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from exporter.features import KINDS
from exporter.features.binning import Binning, CategoricalBinning, EmbeddingBinning, NumericBinning
from exporter.features.kind import Enumeration, Kind
from exporter.parse import sql
from exporter.references.baseline.columns import MOST_CATEGORIES, Column
from exporter.references.baseline.counting import Counted, Grouping, Read, count
from exporter.references.baseline.source import PART, Ordered, Part, Source
from exporter.references.reference import FeatureViews, ViewReference
from exporter.summary.base import Codes, Floats
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.numeric import NumericSummary

FINE_BINS = 200
_PER_DECILE = FINE_BINS // 10
_HALF_OF_ALL = np.finfo(np.float64).max / 2
_ROWS_OF_TEXT = 1 << 15
_NUMBERS_OF_VECTORS = 1 << 21
_NAMES = {"numeric": "finite number", "boolean": "true or false", "timestamp": "point in time"}


class Described(NamedTuple):
    """``item``: every view. ``counted``: view -> its summaries of segments, too. ``read``: what they are folded of."""

    item: FeatureViews
    counted: Counted
    read: Read[dict[str, Any]]


def describe(source: Source, column: Column, kind_name: str, segments: Sequence[Grouping]) -> Described | str:
    """Summarise every view of ``column`` as the kind, or say why there is nothing to be compared with."""
    kind = KINDS[kind_name]
    if kind_name == "categorical":
        known = categories(source, column)
        if isinstance(known, str):
            return known
        return _described(source, column, kind, {"value": known.binning}, {"value": known}, segments)
    binnings = dict(kind.binnings)
    if kind.name == "embedding":
        sizes = source.counts(f"len({column.parsed('vector')})", 2) or ()
        usual = next((size for size, _ in sizes if size is not None), None)
        if not usual:
            return "no vector in the data"
        binnings["vector"] = EmbeddingBinning(usual)
    quantiles = {}
    if numeric := {view: item for view, item in binnings.items() if isinstance(item, NumericBinning)}:
        # All but numbers of a text takes long to read.
        read = decoder(source, column, kind, numeric if kind.name == "text" else binnings)
        ordered = source.order(_numbers(read, list(numeric)), ranks)
        quantiles = {view: Quantiles.of(values) for view, values in ordered.items()}
    binnings |= {view: found.binning for view, found in quantiles.items()}
    found = _described(source, column, kind, binnings, quantiles, segments)
    if not found.item.primary.summary.present:
        return f"no {_NAMES.get(kind.name, 'value')} in the data"
    if not all(comparable(view) for view in found.item.views.values()):
        return "numbers so large that their squares cannot be summed"
    return found


def _described(
    source: Source,
    column: Column,
    kind: Kind,
    binnings: Mapping[str, Binning],
    known: Mapping[str, ViewReference | Quantiles],
    segments: Sequence[Grouping],
) -> Described:
    read = prepared(decoder(source, column, kind, binnings), binnings)

    def fold(values: dict[str, Any], groups: Codes, size: int) -> dict[str, Any]:
        return {view: binnings[view].fold(some, groups, size) for view, some in values.items()}

    # Categories were counted when they were found.
    known_whole = kind.name == "categorical" and not segments
    counted = Counted({}, {}) if known_whole else count(source, read, fold, segments)
    views = {}
    for view in kind.suffixes:
        item = known.get(view)
        if isinstance(item, Quantiles):
            views[view] = item.reference(counted.whole[view])
        else:
            views[view] = item or ViewReference(binnings[view], counted.whole[view])
    return Described(FeatureViews(kind.name, views), counted, read)


def categories(source: Source, column: Column) -> ViewReference | str:
    """Count every value as a category, the most frequent first, or say why that cannot be."""
    value = sql.canonical(column.text)
    counts = source.counts(value, MOST_CATEGORIES + 2)
    known = [(category, number) for category, number in counts or () if category is not None]
    if counts is not None and not known:
        return "no value in the data"
    if counts is None or len(known) > MOST_CATEGORIES:
        return f"{source.distinct(value)} distinct values, more than {MOST_CATEGORIES} categories"
    names, numbers = zip(*known, strict=True)
    missing = sum(number for category, number in counts if category is None)
    summary = CategoricalSummary(
        categories=names,
        missing=np.asarray(missing, dtype=np.float64),
        unseen=np.zeros(()),
        counts=np.array(numbers, dtype=np.float64),
    )
    return ViewReference(CategoricalBinning(names), summary)


def ranks(number: int) -> Codes:
    """Return the ranks among ``number`` values that ``Quantiles`` follow from."""
    lower = np.floor(_virtual(number)).astype(np.intp)
    upper = np.minimum(lower + 1, number - 1)
    return np.concatenate([[0, number - 1, (number - 1) // 2, number // 2], lower, upper])


def _virtual(number: int) -> Floats:
    found: Floats = (number - 1) * (np.arange(1, FINE_BINS) / FINE_BINS)
    return found


class Quantiles(NamedTuple):
    """``fine``: of all fine bins. ``binning``: over the fine edges, ascending without duplicates.

    Quantiles are numpy's default, linear interpolation. A value that several quantiles fall on is told apart
    from what lies below it. Empty where there are no values.
    """

    fine: Floats
    binning: NumericBinning

    @classmethod
    def of(cls, found: Ordered) -> Quantiles:
        """Work them out of the values at ``ranks``."""
        if not found.number:
            return cls(np.empty(0), NumericBinning.without_edges())
        low, high, middle, other = found.values[:4]
        lower, upper = found.values[4:].reshape(2, -1)
        virtual = _virtual(found.number)
        # Between two values that are further apart than the largest number there is no interpolating.
        scale = 2.0 if high / 2 - low / 2 > _HALF_OF_ALL else 1.0
        fine = _between(lower / scale, upper / scale, virtual - np.floor(virtual)) * scale
        distinct, repeats = np.unique(fine, return_counts=True)
        # What lies outside the reference is told apart too: two samples that do not touch have a D of exactly 1.
        ends = (np.nextafter(low, -np.inf), high)
        edges = np.union1d(np.union1d(distinct, ends), np.nextafter(distinct[repeats > 1], -np.inf))
        with np.errstate(over="ignore", invalid="ignore"):
            pivot = found.total / found.number
            if not np.isfinite(pivot):
                pivot = float((middle / 2 + other / 2) / 2) * 2
        return cls(fine, NumericBinning(edges, pivot))

    def deciles(self, counts: Floats) -> Floats:
        """Return the deciles, some of the fine edges; ``counts``: of the values over these.

        What lies below a value that several fall on is among them where the reference has nothing in between, so that
        a sample that leaves it downwards is seen leaving.
        """
        deciles, repeats = np.unique(self.fine[_PER_DECILE - 1 :: _PER_DECILE], return_counts=True)
        below = np.nextafter(deciles, -np.inf)
        up_to = np.append(0.0, np.cumsum(counts))
        up_to_below, up_to_previous = (
            up_to[np.searchsorted(self.binning.edges, edges, side="right")]
            for edges in (below, np.append(-np.inf, deciles)[:-1])
        )
        return np.union1d(deciles, below[(repeats > 1) & (up_to_below == up_to_previous)])

    def reference(self, summary: NumericSummary) -> ViewReference:
        """Return the reference with the counts over the fine edges."""
        return ViewReference(self.binning, summary, self.deciles(summary.counts))


def _between(lower: Floats, upper: Floats, share: Floats) -> Floats:
    """As numpy has it, to the last bit."""
    gap = upper - lower
    found: Floats = np.where(share >= 0.5, upper - gap * (1 - share), lower + gap * share)
    return found


def comparable(reference: ViewReference) -> bool:
    """Return False where a mean or a standard deviation cannot be had: of numbers beyond 1e154."""
    summary = reference.summary
    return not isinstance(summary, NumericSummary) or bool(
        np.isfinite(summary.pivot)
        and np.isfinite(summary.squared_deviations)
        and np.isfinite(summary.deviations).all()
    )


def decoder(
    source: Source, column: Column, kind: Kind, binnings: Mapping[str, Binning]
) -> Read[dict[str, Any]]:
    """Return what reads the values of each view as ``binnings`` take them."""
    enumerations = {
        view: Enumeration(source.define(f"{view} of {column.feature}", binning.categories), numbers=True)
        for view, binning in binnings.items()
        if kind.name == "categorical" and isinstance(binning, CategoricalBinning)
    }
    expressions = kind.expressions(column.parsed(kind.parsed_as), enumerations)
    expressions.setdefault("invalid", column.invalid(kind.parsed_as))
    size = _ROWS_OF_TEXT if kind.name == "text" else PART
    if isinstance(vectors := binnings.get("vector"), EmbeddingBinning):
        size = max(1, _NUMBERS_OF_VECTORS // vectors.dimensions)

    def read(part: Part) -> Iterator[tuple[int, dict[str, Any]]]:
        for raw in part.blocks(expressions, size):
            yield len(next(iter(raw.values()))), kind.decode(raw, binnings)

    return read


def prepared(read: Read[dict[str, Any]], binnings: Mapping[str, Binning]) -> Read[dict[str, Any]]:
    """Return what reads the values as ``binnings`` fold them."""

    def again(part: Part) -> Iterator[tuple[int, dict[str, Any]]]:
        for rows, values in read(part):
            yield rows, {view: binning.prepare(values[view]) for view, binning in binnings.items()}

    return again


def _numbers(read: Read[dict[str, Any]], views: Sequence[str]) -> Callable[[Part], dict[str, Floats]]:
    def whole(part: Part) -> dict[str, Floats]:
        blocks = [values for _, values in read(part)]
        return {view: np.concatenate([block[view].values for block in blocks]) for view in views}

    return whole
