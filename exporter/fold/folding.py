"""Fold rows into the summaries of their version, segment and time bucket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from exporter.fold.grouping import BucketKeys, grouped, portions
from exporter.fold.schema import AGE, GROUP, OUTCOME, SELECTION, SKEW, TRAFFIC, Compared, DecodedBatch, Schema
from exporter.fold.version_schemas import VersionSchemas
from exporter.records.columns import PredictionColumns
from exporter.records.features import FeatureSet
from exporter.state import OTHER, Scope, Store
from exporter.summary.base import Composite, Flags, Floats, Groups, Shape
from exporter.tasks.task import Corrected, Labelled

Rows = TypeVar("Rows", DecodedBatch, Labelled, Compared)


class Folding:
    """Folds over all traffic, each segment and each attribute."""

    def __init__(self, schemas: VersionSchemas, store: Store) -> None:
        self._schemas = schemas
        self._store = store

    def fold_predictions(
        self,
        columns: PredictionColumns,
        known: FeatureSet,
        keys: BucketKeys,
        kept: Flags,
        names: dict[int, str],
    ) -> None:
        """Fold the predictions that are ``kept``. ``known``: what the codes of ``columns`` stand for."""
        for schema, numbers in self._by_schema(names).items():
            rows = np.flatnonzero(kept & np.isin(keys.version, numbers))
            if not len(rows):
                continue
            mine, here, shapes = schema.prepare(columns, known).take(rows), keys.take(rows), schema.shapes
            for segment in ("", *self._schemas.segments):
                self._fold(shapes[TRAFFIC], numbers, here, segment, mine, _vectors(schema.fold_traffic))
            if AGE in shapes:
                self._fold(shapes[AGE], numbers, here, "", mine, _vectors(schema.fold_ages))
            for attribute in self._schemas.attributes:
                self._fold(shapes[SELECTION], numbers, here, attribute, mine, _vectors(schema.fold_selection))

    def fold_outcomes(self, labelled: Labelled, keys: BucketKeys, names: dict[int, str]) -> None:
        """Fold labelled predictions, or what corrections change. ``names``: of the versions among them."""
        for schema, numbers in self._by_schema(names).items():
            rows = np.flatnonzero(np.isin(keys.version, numbers))
            mine, here, shapes = labelled.take(rows), keys.take(rows), schema.shapes
            outcome = _changes(schema.fold_outcome, shapes[OUTCOME])
            for segment in ("", *self._schemas.segments):
                self._fold(shapes[OUTCOME], numbers, here, segment, mine, outcome)
            for attribute in self._schemas.attributes:
                group = _changes(schema.fold_group, shapes[GROUP])
                self._fold(shapes[GROUP], numbers, here, attribute, mine, group)

    def fold_skew(
        self, compared: Compared, features: Sequence[str], keys: BucketKeys, names: dict[int, str]
    ) -> None:
        """Fold served and offline values; ``features``: of their columns, which each version has some of."""
        for schema, numbers in self._by_schema(names).items():
            rows = np.flatnonzero(np.isin(keys.version, numbers))
            columns = [features.index(name) for name in schema.compared]
            some = compared.take(rows)
            mine = Compared(
                some.served[:, columns], some.offline[:, columns], some.known[:, columns], some.weight
            )
            here = keys.take(rows)
            self._fold(schema.shapes[SKEW], numbers, here, "", mine, _vectors(schema.fold_skew))

    def exchange_segments(self) -> None:
        """Merge small values that others outgrew into ``other``."""
        store = self._store
        lost, dropped = store.segments.exchange()
        store.counters.add("ml_series_dropped_total", ("too_many_segment_values",), dropped)
        for name, value in lost:
            store.combinations.rename(name, value, OTHER)
            for number, version in store.versions.all().items():
                for shape in self._schemas.of(version.name).shapes.values():
                    store.summaries.merge_scopes(
                        shape, Scope(number, name, value), Scope(number, name, OTHER)
                    )

    def _by_schema(self, names: dict[int, str]) -> dict[Schema, list[int]]:
        """Schema -> the numbers of its versions, ascending."""
        found: dict[Schema, list[int]] = {}
        for number, name in sorted(names.items()):
            found.setdefault(self._schemas.of(name), []).append(number)
        return found

    def _fold(
        self,
        shape: Shape,
        versions: list[int],
        keys: BucketKeys,
        segment: str,
        rows: Rows,
        fold: Callable[[Rows, Groups, int], Floats],
    ) -> None:
        """Fold rows by version, value of ``segment`` and bucket, and add them to their buckets."""
        codes, names = np.zeros(len(keys.version), dtype=np.intp), [""]
        if segment:
            codes, names = keys.values[segment].codes, keys.values[segment].names
            if (codes < 0).any():
                known = np.flatnonzero(codes >= 0)
                rows, keys, codes = rows.take(known), keys.take(known), codes[known]
        scopes = np.searchsorted(versions, keys.version) * len(names) + codes
        groups, pairs = grouped(scopes, keys.start)
        buckets = [
            (Scope(versions[scope // len(names)], segment, names[scope % len(names)]), start)
            for scope, start in pairs
        ]
        for some, members, first, size in portions(groups, len(buckets), shape):
            vectors = fold(rows.take(some), members, size)
            mine = zip(buckets[first : first + size], vectors, strict=True)
            self._store.summaries.add(shape, [(scope, start, vector) for (scope, start), vector in mine])


def _vectors(fold: Callable[[Rows, Groups, int], Composite]) -> Callable[[Rows, Groups, int], Floats]:
    """Return a function that folds rows into the vector of each group."""
    return lambda rows, groups, size: fold(rows, groups, size).stack_vectors()


def _changes(
    fold: Callable[[Labelled, Groups, int], Composite], shape: Shape
) -> Callable[[Labelled, Groups, int], Floats]:
    """Return a function that folds labelled predictions into what they add, or, corrected, what that changes."""

    def changes(rows: Labelled, groups: Groups, size: int) -> Floats:
        after = fold(rows, groups, size).stack_vectors()
        if not isinstance(rows, Corrected):
            return after
        return shape.empty.correction(fold(rows.before, groups, size).stack_vectors(), after)

    return changes
