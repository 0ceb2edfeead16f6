"""Sets of class names, and a probability for each, from JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.parse import sql

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_FLAGS = (0, 1)


class LabelSets:
    """Reads sets of ``classes``, whose order is that of lists of 0 and 1 and of lists of probabilities.

    A set is a list of names, an object name -> true, false, 1 or 0, or a list of 0 and 1. A list of numbers is one of
    names only where a class is a number and the list is none of 0 and 1 for each class.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._positions: dict[str, int] = {}
        for position, name in enumerate(self.classes):
            self._positions.setdefault(sql.canonical_text(name), position)
        self._numbered = any(map(sql.is_whole_number, self._positions))
        self._switches = not self._positions.keys().isdisjoint(("0", "1"))

    def read(self, texts: Sequence[str | None]) -> tuple[Flags, Flags]:
        """Return the sets, shape (texts, classes + 1), and which texts are sets; the last column: other names."""
        # Most logs hold few sets, many times each.
        distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        members = np.zeros((len(distinct), len(self.classes) + 1), dtype=bool)
        valid = np.zeros(len(distinct), dtype=bool)
        for text, row in distinct.items():
            found = self._positions_in(_parsed(text))
            if found is not None:
                members[row, found] = True
                valid[row] = True
        rows = np.fromiter((distinct[text] for text in texts), dtype=np.intp, count=len(texts))
        return members[rows], valid[rows]

    def probabilities(
        self, texts: Sequence[str | None], threshold: float, rounding: float
    ) -> tuple[Floats, Flags]:
        """Return probabilities, shape (texts, classes), and where another name has at least ``threshold``.

        A row of NaN is none: no object or list of numbers from 0 to 1, give or take ``rounding``, or not one for each
        class. A class that an object does not name has probability 0.
        """
        found = np.full((len(texts), len(self.classes)), np.nan)
        other = np.zeros(len(texts), dtype=bool)
        for row, text in enumerate(texts):
            value = _parsed(text)
            if isinstance(value, list):
                numbers = value if len(value) == len(self.classes) else None
            elif isinstance(value, dict):
                numbers, other[row] = self._of_members(value, threshold)
            else:
                continue
            if (
                numbers
                and {int, float}.issuperset(map(type, numbers))
                and -rounding <= min(numbers)
                and max(numbers) <= 1 + rounding
            ):
                found[row] = numbers
        # NaN is neither the smallest nor the largest.
        found[np.isnan(found).any(axis=1)] = np.nan
        return np.clip(found, 0.0, 1.0) + 0.0, other

    def _of_members(self, value: Mapping[str, Any], threshold: float) -> tuple[list[Any] | None, bool]:
        numbers: list[Any] = [0.0] * len(self.classes)
        named, other = False, False
        for name, number in value.items():
            position = self._position(name)
            if position == len(self.classes):
                other |= type(number) in (int, float) and number >= threshold
            elif number is not None:
                numbers[position], named = number, True
        return (numbers if named else None), named and other

    def _positions_in(self, value: Any) -> list[int] | None:
        """Return the columns of the classes in a set, the last one for other names; None where it is no set."""
        if isinstance(value, dict):
            return self._flagged(value)
        if not isinstance(value, list):
            return None
        if value and all(isinstance(item, bool | int | float) for item in value):
            flags = all(item in _FLAGS for item in value)
            if flags and len(value) == len(self.classes):
                return [position for position, item in enumerate(value) if item]
            # Where a number comes twice, or is no class, it is a list of 0 and 1 of another length.
            if len(set(value)) < len(value) or not (self._switches if flags else self._numbered):
                return None
        names = [_text(item) for item in value]
        if any(name is None for name in names):
            return None
        return [self._position(name) for name in names if name is not None]

    def _position(self, name: str) -> int:
        """Return the column of a class, the last one for other names."""
        found = self._positions.get(name)
        if found is None:
            found = self._positions.get(sql.canonical_text(name), len(self.classes))
        return found

    def _flagged(self, value: Mapping[str, Any]) -> list[int] | None:
        members = {sql.canonical_text(name): flag for name, flag in value.items() if flag is not None}
        if any(not isinstance(flag, bool | int | float) or flag not in _FLAGS for flag in members.values()):
            return None
        found = [self._positions.get(name, len(self.classes)) for name, flag in members.items() if flag]
        # An object of other things, none of which is there, is no set.
        return found if found or not value or members.keys() & self._positions.keys() else None


def _parsed(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _text(item: Any) -> str | None:
    """Return the name of a class in a list; None where it is neither text nor a number."""
    if isinstance(item, bool) or not isinstance(item, str | int | float):
        return None
    return item if isinstance(item, str) else json.dumps(item)
