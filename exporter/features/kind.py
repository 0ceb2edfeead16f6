"""What every kind of feature is: views of one value, each counted and compared by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]
Codes = npt.NDArray[np.intp]


class Kind(ABC):
    """How the values of a feature are read, and into which views they are split.

    A view is what is counted: numbers, categories, tokens or vectors. Its name is the label ``feature`` of
    its gauges: the feature's own, or ``feature.view``. ``primary`` is the view that tells how many values
    are missing. ``leaf``: how the raw value is declared to the parser.
    """

    name: ClassVar[str]
    leaf: ClassVar[Literal["number", "text", "vector"]]

    @abstractmethod
    def views(self, feature: str) -> dict[str, str]:
        """View -> its name. The first is the primary one."""

    def primary(self, feature: str) -> str:
        """The name of the view that knows how many values are missing."""
        return next(iter(self.views(feature).values()))

    @abstractmethod
    def expressions(self, value: str, categories: Mapping[str, str]) -> dict[str, str]:
        """Alias -> SQL over ``value``, itself SQL for the raw value (NULL where missing).

        ``categories``: view -> SQL name of the enumeration of its categories, where there are any.
        """

    @abstractmethod
    def decode(self, raw: Mapping[str, Column]) -> dict[str, Any]:
        """View -> its values, from the columns of ``expressions`` (masked arrays where something is NULL).

        Numbers: float64, NaN where missing. Categories: codes, MISSING or UNSEEN. Others: as their frame takes them.
        """
