"""Features of prediction records: which are decoded, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from exporter.features import Kind
from exporter.features.binning import Binning, CategoricalBinning, Numbers
from exporter.features.kind import Column, Enumeration
from exporter.parse import sql
from exporter.parse.field_paths import KINDS, FieldPaths
from exporter.parse.json_lines import Parser, filled
from exporter.summary.base import Flags
from exporter.summary.categorical import MISSING
from mlslo.monitor import FeatureArray, OfflineFields, PredictionFields


@dataclass(frozen=True)
class FeatureSet:
    """Features that are decoded.

    ``kinds``: feature -> kind. ``binnings``: view -> binning, with all categories of any schema.

    ``attributed``: the features whose attributions are requested, in the order of their column.
    """

    kinds: Mapping[str, Kind]
    binnings: Mapping[str, Binning]
    attributed: tuple[str, ...] = ()

    def categories(self, view: str) -> tuple[str, ...]:
        """Return what the codes of a categorical view stand for; nothing for others."""
        binning = self.binnings.get(view)
        return binning.categories if isinstance(binning, CategoricalBinning) else ()


def present(values: Any) -> Flags:
    """Return which rows have a value, from the values of a primary view."""
    found = ~np.isnan(values.values) if isinstance(values, Numbers) else values != MISSING
    return np.asarray(found, dtype=bool)


def feature_value(
    paths: FieldPaths, fields: PredictionFields | OfflineFields, name: str, parsed_as: str = "text"
) -> str:
    """Return SQL for the raw value of a feature: a member, a path of its own, or an element of a list with names."""
    array = fields.features
    if not isinstance(array, FeatureArray):
        return paths.member(fields.feature_container, name, parsed_as)
    if name not in array.names:
        return f"NULL::{KINDS[parsed_as]}"
    return paths.element(array.path, array.names.index(name), len(array.names), parsed_as)


def present_features(paths: FieldPaths, fields: PredictionFields) -> str:
    """Return SQL for whether a record has features at all, where they lie in one object or list."""
    if isinstance(fields.features, FeatureArray):
        return paths.given(fields.features.path)
    return "true" if fields.feature_container is None else paths.present(fields.feature_container)


class FeatureDecoder:
    """The features' part of a prediction decoder."""

    def __init__(self, fields: PredictionFields, features: FeatureSet) -> None:
        self._fields = fields
        self._features = features
        # Shallow ones first: where there are features a and a.b, the latter is a key that holds a dot.
        self._shallow_first = sorted(features.kinds, key=lambda name: name.count("."))
        self._prefixes = {name: f"feature {position} " for position, name in enumerate(features.kinds)}

    def expressions(self, paths: FieldPaths) -> dict[str, str]:
        """Alias -> SQL for all views of all features."""
        requested: dict[str, str] = {}
        for name in self._shallow_first:
            kind = self._features.kinds[name]
            enumerations = {
                view: Enumeration(enumeration, any(map(sql.is_whole_number, categories)))
                for view, enumeration, categories in self._enumerations(name)
            }
            value = feature_value(paths, self._fields, name, kind.parsed_as)
            found = kind.expressions(value, enumerations)
            requested.update(
                {self._prefixes[name] + alias: expression for alias, expression in found.items()}
            )
        return requested

    def define_categories(self, parser: Parser) -> None:
        """Define the enumerations that ``expressions`` cast to."""
        for name in self._features.kinds:
            for _, enumeration, categories in self._enumerations(name):
                parser.define_categories(enumeration, categories)

    def decode(self, raw: Mapping[str, Column], usable: Flags, parser: Parser) -> dict[str, Any]:
        """View name -> values of the usable rows."""
        columns = {
            name: {
                alias.removeprefix(prefix): column
                for alias, column in raw.items()
                if alias.startswith(prefix)
            }
            for name, prefix in self._prefixes.items()
        }
        for name, mask in self._invalid(columns, len(usable), parser).items():
            columns[name]["invalid"] = mask
        everything = bool(usable.all())
        found: dict[str, Any] = {}
        for name, kind in self._features.kinds.items():
            mine = columns[name]
            if not everything:
                mine = {alias: column[usable] for alias, column in mine.items()}
            views = kind.views(name)
            known = self._features.binnings
            binnings = {view: known[label] for view, label in views.items() if label in known}
            found.update({views[view]: values for view, values in kind.decode(mine, binnings).items()})
        return found

    def _invalid(
        self, columns: Mapping[str, Mapping[str, Column]], rows: int, parser: Parser
    ) -> dict[str, Flags]:
        """Find values that are there, but of the wrong type: both they and missing ones come as NULL.

        Parsing everything as text would cost twice as much, so only columns that have a NULL are looked at again.
        """
        unread = {}
        array = self._fields.features
        for name, kind in self._features.kinds.items():
            if isinstance(array, FeatureArray) and name not in array.names:
                # A reference has it; the list has not.
                continue
            masks = [
                np.ma.getmaskarray(column) for column in columns[name].values() if np.ma.is_masked(column)
            ]
            if masks and kind.parsed_as != "text":
                unread[name] = np.logical_or.reduce(masks)
        if not unread:
            return {}
        again = parser.again(
            lambda paths: {
                name: f"{feature_value(paths, self._fields, name)} IS NOT NULL"
                for name in self._shallow_first
                if name in unread
            }
        )
        return {
            name: filled(column, False).astype(bool) & unread[name]
            for name, column in again.items()
            if len(column) == rows
        }

    def _enumerations(self, name: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """View, the name of its enumeration and what is in it, for each view of a feature that has categories."""
        for view, label in self._features.kinds[name].views(name).items():
            if categories := self._features.categories(label):
                yield view, f"categories {self._prefixes[name]}{view}", categories
