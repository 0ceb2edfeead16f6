"""What every kind of feature is: views of one value, each counted and compared by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from exporter.features.binning.binning import Frame
from exporter.features.binning.numeric import Numbers
from exporter.summary.base import Floats

Column = npt.NDArray[Any]


class Enumeration(NamedTuple):
    """Categories as the parser knows them, by ``name``. ``numbers``: whether whole numbers are among them."""

    name: str
    numbers: bool


class Kind(ABC):
    """How the values of a feature are read, and into which views they are split.

    A view is what is counted: numbers, categories, tokens or vectors. Its name is the label ``feature`` of
    its gauges: the feature's own, or ``feature.view``. ``leaf``: how the raw value is declared to the parser.
    ``ranged``: whether the primary view is of numbers, so that a range can be declared.
    """

    name: ClassVar[str]
    leaf: ClassVar[Literal["number", "text", "vector"]]
    ranged: ClassVar[bool] = False

    @abstractmethod
    def views(self, feature: str) -> dict[str, str]:
        """View -> its name. The first is the primary one."""

    def primary(self, feature: str) -> str:
        """The name of the view that knows how many values are missing."""
        return next(iter(self.views(feature).values()))

    @abstractmethod
    def frames(self) -> dict[str, Frame]:
        """View -> its frame where no reference says more; a view that needs a reference has none."""

    @abstractmethod
    def expressions(self, value: str, categories: Mapping[str, Enumeration]) -> dict[str, str]:
        """Alias -> SQL over ``value``, itself SQL for the raw value (NULL where missing).

        ``categories``: view -> the enumeration of its categories, where there are any.
        """

    @abstractmethod
    def decode(self, raw: Mapping[str, Column], frames: Mapping[str, Frame]) -> dict[str, Any]:
        """View of ``frames`` -> its values, as that frame takes them.

        ``raw``: the columns of ``expressions`` (masked arrays where something is NULL). It may hold a column
        ``invalid`` too: True where the record has a value, and the parser could not read it as ``leaf``.
        """


def number_column(column: Column) -> Floats:
    """Float64 with NaN where ``column`` is NULL."""
    values = column.astype(np.float64, copy=False)
    return np.ma.filled(values, np.nan) if isinstance(values, np.ma.MaskedArray) else values


def flag_column(raw: Mapping[str, Column], alias: str) -> npt.NDArray[np.bool_] | None:
    """The column of truth values, NULL counting as false; None where there is none, or nothing is true."""
    if alias not in raw:
        return None
    column = raw[alias]
    flags = np.ma.filled(column, False) if isinstance(column, np.ma.MaskedArray) else column
    flags = flags.astype(bool, copy=False)
    return flags if flags.any() else None


def number_view(raw: Mapping[str, Column], alias: str) -> Numbers:
    """The column ``alias`` as numbers, with what ``raw`` knows to be invalid."""
    return Numbers(number_column(raw[alias]), flag_column(raw, "invalid"))
