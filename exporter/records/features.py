"""The features of prediction records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.features.binning.binning import Frame
from exporter.features.binning.categorical import CategoricalFrame
from exporter.features.binning.numeric import Numbers
from exporter.features.kind import Enumeration, Kind
from exporter.parse import sql
from exporter.parse.field_paths import Leaves
from exporter.parse.json_lines import Parser, filled
from exporter.summary.base import Rows
from exporter.summary.categorical import MISSING
from mlslo.monitor import PredictionFields

Column = npt.NDArray[Any]

_PARSED = ("number", "vector")


@dataclass(frozen=True)
class FeatureSet:
    """What is decoded. ``kinds``: feature -> kind. ``frames``: view -> frame, with all categories of any layout.

    ``attributed``: the features whose attributions are wanted, in the order of their column.
    """

    kinds: Mapping[str, Kind]
    frames: Mapping[str, Frame]
    attributed: tuple[str, ...] = ()

    def categories(self, view: str) -> tuple[str, ...]:
        """What the codes of a categorical view stand for; nothing for others."""
        frame = self.frames.get(view)
        return frame.categories if isinstance(frame, CategoricalFrame) else ()


def feature_path(fields: PredictionFields, name: str) -> str:
    """Where the feature ``name`` is in a record."""
    return f"{fields.features}.{name}" if isinstance(fields.features, str) else name


def present(values: Any, rows: Rows = slice(None)) -> npt.NDArray[np.bool_]:
    """Which of ``rows`` have a value, from the values of a primary view."""
    found = ~np.isnan(values.values[rows]) if isinstance(values, Numbers) else values[rows] != MISSING
    return np.asarray(found, dtype=bool)


class FeatureDecoder:
    """The features' part of a prediction decoder."""

    def __init__(self, fields: PredictionFields, features: FeatureSet) -> None:
        self._container = fields.features if isinstance(fields.features, str) else None
        self._features = features
        self._prefixes = {name: f"feature {position} " for position, name in enumerate(features.kinds)}

    def expressions(self, leaves: Leaves) -> dict[str, str]:
        """Alias -> SQL for all views of all features."""
        wanted: dict[str, str] = {}
        # Shallow ones first: where there are features a and a.b, the latter is a key that holds a dot.
        for name in sorted(self._prefixes, key=lambda name: name.count(".")):
            kind = self._features.kinds[name]
            member = {
                "number": leaves.member_number,
                "text": leaves.member_text,
                "vector": leaves.member_vector,
            }[kind.leaf]
            enumerations = {
                view: Enumeration(enumeration, any(map(sql.is_whole_number, categories)))
                for view, enumeration, categories in self._enumerations(name)
            }
            found = kind.expressions(member(self._container, name), enumerations)
            wanted.update({self._prefixes[name] + alias: expression for alias, expression in found.items()})
        return wanted

    def define_categories(self, parser: Parser) -> None:
        """The enumerations that ``expressions`` cast to."""
        for name in self._features.kinds:
            for _, enumeration, categories in self._enumerations(name):
                parser.define_categories(enumeration, categories)

    def decode(
        self, raw: Mapping[str, Column], usable: npt.NDArray[np.bool_], parser: Parser
    ) -> dict[str, Any]:
        """View name -> values of the usable rows."""
        invalid = self._invalid(raw, len(usable), parser)
        everything = bool(usable.all())
        found: dict[str, Any] = {}
        for name, kind in self._features.kinds.items():
            mine = self._columns(raw, name)
            if name in invalid:
                mine["invalid"] = invalid[name]
            if not everything:
                mine = {alias: column[usable] for alias, column in mine.items()}
            views = kind.views(name)
            frames = {
                view: self._features.frames[label]
                for view, label in views.items()
                if label in self._features.frames
            }
            found.update({views[view]: values for view, values in kind.decode(mine, frames).items()})
        return found

    def _columns(self, raw: Mapping[str, Column], name: str) -> dict[str, Column]:
        prefix = self._prefixes[name]
        return {alias[len(prefix) :]: column for alias, column in raw.items() if alias.startswith(prefix)}

    def _invalid(
        self, raw: Mapping[str, Column], rows: int, parser: Parser
    ) -> dict[str, npt.NDArray[np.bool_]]:
        """Which values are there, but of the wrong type: both they and missing ones come as NULL.

        Parsing everything as text would cost twice as much, so only columns that have a NULL are looked at again.
        """
        unread = {
            name: np.logical_or.reduce(masks)
            for name, kind in self._features.kinds.items()
            if kind.leaf in _PARSED and (masks := _masks(self._columns(raw, name).values()))
        }
        if not unread:
            return {}
        leaves = Leaves()
        wanted = {}
        for name in sorted(unread, key=lambda name: name.count(".")):
            wanted[name] = f"{leaves.member_text(self._container, name)} IS NOT NULL"
        again = parser.again(wanted, leaves)
        there = {name: filled(column, False).astype(bool) for name, column in again.items()}
        found = {name: mask & unread[name] for name, mask in there.items() if len(mask) == rows}
        return {name: wrong for name, wrong in found.items() if wrong.any()}

    def _enumerations(self, name: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """View, the name of its enumeration and what is in it, for each view of a feature that has categories."""
        for view, label in self._features.kinds[name].views(name).items():
            if categories := self._features.categories(label):
                yield view, f"categories {self._prefixes[name]}{view}", categories


def _masks(columns: Iterable[Column]) -> list[npt.NDArray[np.bool_]]:
    """Where columns are NULL, of those that are anywhere."""
    return [np.ma.getmaskarray(column) for column in columns if np.ma.is_masked(column)]
