"""Rows into the summaries of their version, segment and time bucket."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from exporter.fold.decoded_batch import Prepared
from exporter.fold.grouping import Place, grouped, portions
from exporter.fold.schema import GROUP, OUTCOME, SELECTION, TRAFFIC, Layout
from exporter.fold.version_schemas import Layouts
from exporter.records import FeatureSet, PredictionColumns
from exporter.state import OTHER, Scope, Store
from exporter.summary.base import Groups
from exporter.summary.composite import Composite
from exporter.summary.shape import Shape
from exporter.tasks.task import Labelled

Rows = TypeVar("Rows", Prepared, Labelled)


class Folding:
    """Folds over all traffic, each segment and each attribute."""

    def __init__(self, layouts: Layouts, store: Store) -> None:
        self._layouts = layouts
        self._store = store
        self._segments = layouts.segments
        self._attributes = layouts.attributes

    def predictions(
        self,
        columns: PredictionColumns,
        known: FeatureSet,
        place: Place,
        kept: npt.NDArray[np.bool_],
        names: dict[int, str],
    ) -> None:
        """Fold the predictions that are ``kept``. ``known``: what the codes of ``columns`` stand for."""
        for layout, numbers in self._by_layout(names):
            mine = kept & np.isin(place.version, numbers) if len(names) > len(numbers) else kept
            rows = np.flatnonzero(mine)
            if not len(rows):
                continue
            prepared, here = layout.prepare(columns, known).take(rows), place.take(rows)
            for segment in ("", *self._segments):
                self._fold(layout.shapes[TRAFFIC], here, segment, prepared, layout.fold_traffic)
            for attribute in self._attributes:
                self._fold(layout.shapes[SELECTION], here, attribute, prepared, layout.fold_selection)

    def outcomes(self, labelled: Labelled, place: Place, names: dict[int, str]) -> None:
        """Fold labelled predictions. ``names``: of the versions among them."""
        for layout, numbers in self._by_layout(names):
            mine = np.flatnonzero(np.isin(place.version, numbers))
            some, here = labelled.take(mine), place.take(mine)
            for segment in ("", *self._segments):
                self._fold(layout.shapes[OUTCOME], here, segment, some, layout.fold_outcome)
            for attribute in self._attributes:
                self._fold(layout.shapes[GROUP], here, attribute, some, layout.fold_group)

    def exchange_segments(self) -> None:
        """Small values that others outgrew become part of ``other``."""
        store = self._store
        exchange = store.segments.exchange()
        store.counters.add("ml_series_dropped_total", ("too_many_segment_values",), exchange.dropped)
        for name, value in exchange.lost:
            store.combinations.rename(name, value, OTHER)
            for number, version in store.versions.all().items():
                for shape in self._layouts.of(version.name).shapes.values():
                    store.summaries.merge_scopes(
                        shape, Scope(number, name, value), Scope(number, name, OTHER)
                    )

    def _by_layout(self, names: dict[int, str]) -> list[tuple[Layout, list[int]]]:
        """The layouts of some versions, and which of them each is of."""
        grouped: dict[int, tuple[Layout, list[int]]] = {}
        for number, name in names.items():
            layout = self._layouts.of(name)
            grouped.setdefault(id(layout), (layout, []))[1].append(number)
        return list(grouped.values())

    def _fold(
        self,
        shape: Shape,
        place: Place,
        segment: str,
        rows: Rows,
        fold: Callable[[Rows, Groups, int], Composite],
    ) -> None:
        """Fold all rows by version, value of ``segment`` and bucket, and add them to their buckets."""
        names = [""]
        scopes = place.version
        if segment:
            codes, names = place.values[segment]
            if (codes < 0).any():
                known = np.flatnonzero(codes >= 0)
                rows, place = rows.take(known), place.take(known)
                codes, names = place.values[segment]
            scopes = place.version * len(names) + codes
        groups, pairs = grouped(scopes, place.start)
        keys = [
            (Scope(scope // len(names), segment, names[scope % len(names)]), start) for scope, start in pairs
        ]
        for some, members, first, size in portions(groups, len(keys), shape):
            vectors = fold(rows.take(some), members, size).vector()
            self._store.summaries.add(
                shape,
                (
                    (scope, start, vector)
                    for (scope, start), vector in zip(keys[first : first + size], vectors, strict=True)
                ),
            )
