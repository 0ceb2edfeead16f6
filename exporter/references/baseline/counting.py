"""Counting the rows of data by groups, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from exporter.references.baseline.source import Part, Source, merged
from exporter.summary.base import Codes

Values = TypeVar("Values")

Read = Callable[[Part], Iterator[tuple[int, Values]]]
"""Reads a part as blocks: the number of rows, and their values."""


@dataclass(frozen=True)
class Grouping:
    """Rows by their value of a segment or attribute.

    ``values``: the largest, and OTHER where there are more; ``rows`` of each. ``code``: SQL for the place of a row's
    value. ``segmented``: whether it is a segment, of which features are compared.
    """

    name: str
    values: tuple[str, ...]
    rows: tuple[int, ...]
    code: str
    segmented: bool

    def groups(self, part: Part) -> Codes:
        """Return the group of each row of a part."""
        return part.kept(f"{self.segmented} {self.name}", self._read)

    def _read(self, part: Part) -> Codes:
        return np.concatenate([np.asarray(block["code"]) for block in part.blocks({"code": self.code})])


class Counted(NamedTuple):
    """Folded summaries, by name. ``whole``: the summary of all rows. ``stacks``: of the values of each grouping."""

    whole: dict[str, Any]
    stacks: Mapping[Grouping, dict[str, Any]]


def count(
    source: Source,
    read: Read[Values],
    fold: Callable[[Values, Codes, int], dict[str, Any]],
    groupings: Sequence[Grouping] = (),
) -> Counted:
    """Fold all rows, and those of each group. ``fold``: values, their groups and the number of these -> stacks."""

    def of_part(part: Part) -> dict[int, dict[str, Any]]:
        groups = [(np.zeros(part.rows, dtype=np.intp), 1)]
        groups += [(grouping.groups(part), len(grouping.values)) for grouping in groupings]
        found: dict[int, dict[str, Any]] = {}
        start = 0
        for rows, values in read(part):
            block = {
                place: fold(values, codes[start : start + rows], size)
                for place, (codes, size) in enumerate(groups)
            }
            found = merged(found, block) if found else block
            start += rows
        return found

    whole, *stacks = source.fold(of_part).values()
    return Counted(
        {name: stack[0] for name, stack in whole.items()}, dict(zip(groupings, stacks, strict=True))
    )
