"""Base class of feature kinds, and the columns that they read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from exporter.features.binning import Binning, CategoricalBinning
from exporter.parse.json_lines import filled
from exporter.summary.base import Flags, Floats
from exporter.summary.categorical import MISSING, UNSEEN

Column = npt.NDArray[Any]


class Enumeration(NamedTuple):
    """Categories as the parser knows them, by ``name``. ``numbers``: whether whole numbers are among them."""

    name: str
    numbers: bool


class Kind(ABC):
    """Base class: reads the values of a feature, and splits them into feature views.

    ``suffixes``: view -> what follows the feature's name in the label ``feature`` of its gauges; the first view is the
    primary one, which knows how many values are missing. ``binnings``: of the views that are counted although no
    reference says over what. ``parsed_as``: how the raw value is declared to the parser. ``ranged``: whether the
    primary view is of numbers, so that a range can be declared. ``noun``: a value of this kind, and
    ``unseen_text``: one that is none of its categories, in messages.
    """

    name: ClassVar[str]
    suffixes: ClassVar[Mapping[str, str]] = {"value": ""}
    binnings: ClassVar[Mapping[str, Binning]]
    parsed_as: ClassVar[Literal["number", "text", "vector"]] = "text"
    ranged: ClassVar[bool] = False
    noun: ClassVar[str] = "a number"
    unseen_text: ClassVar[str] = "a category that no reference knows"

    def views(self, feature: str) -> dict[str, str]:
        """View -> its name. The first is the primary one."""
        return {view: feature + suffix for view, suffix in self.suffixes.items()}

    @property
    def primary_view(self) -> str:
        return next(iter(self.suffixes))

    def primary(self, feature: str) -> str:
        """Return the name of the primary view."""
        return feature + self.suffixes[self.primary_view]

    @abstractmethod
    def expressions(self, value: str, categories: Mapping[str, Enumeration]) -> dict[str, str]:
        """Alias -> SQL over ``value``, itself SQL for the raw value (NULL where missing).

        ``categories``: view -> the enumeration of its categories, where there are any.
        """

    @abstractmethod
    def decode(self, raw: Mapping[str, Column], binnings: Mapping[str, Binning]) -> dict[str, Any]:
        """View of ``binnings`` -> its values, as that binning takes them.

        ``raw``: the columns of ``expressions`` (masked arrays where something is NULL). It may hold a column
        ``invalid`` too: True where the record has a value, and the parser could not read it as ``parsed_as``.
        """

    def text(self, values: Any, row: int, binning: Binning) -> str:
        """Describe one decoded value of a view to a person, for ``mlslo-exporter check``."""
        if isinstance(binning, CategoricalBinning):
            code = int(values[row])
            if code in (MISSING, UNSEEN):
                return "missing" if code == MISSING else self.unseen_text
            return repr(binning.categories[code])
        if values.invalid is not None and values.invalid[row]:
            return f"not {self.noun}"
        number = float(values.values[row])
        return "missing" if np.isnan(number) else self.number_text(number)

    def number_text(self, number: float) -> str:
        """Describe a number that is there."""
        return f"{number:.6g}"


def number_column(column: Column) -> Floats:
    """Float64 with NaN where ``column`` is NULL."""
    return filled(column.astype(np.float64, copy=False), np.nan)


def flag_column(raw: Mapping[str, Column], alias: str) -> Flags | None:
    """The column of truth values, NULL counting as false; None where there is none, or nothing is true."""
    if alias not in raw:
        return None
    flags = filled(raw[alias], False).astype(bool, copy=False)
    return flags if flags.any() else None
