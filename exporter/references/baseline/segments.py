"""Segments and groups of the data: their values, and what the rows of each are over the bins of all rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from exporter.features import KINDS
from exporter.parse import sql
from exporter.references.baseline.account import Account, of_segment, of_segment_without_data
from exporter.references.baseline.columns import Column
from exporter.references.baseline.source import Source
from exporter.references.baseline.views import decoded
from exporter.references.reference import ANSWERS, FeatureViews, SegmentCounts, view_part
from exporter.state import NO_VALUE, OTHER
from exporter.summary.base import Codes, Composite, Summary
from exporter.summary.numeric import NumericSummary
from mlslo.monitor import ALTERNATIVE, Monitor, scope_name

_PLACES = 5
_ANSWERS = {attribute: name for name, attribute in ANSWERS.items()}

Values = TypeVar("Values")
Stack = TypeVar("Stack", bound=Any)


@dataclass(frozen=True, eq=False)
class Grouping:
    """Rows by their value of a segment or attribute.

    ``values``: the largest, and OTHER where there are more; ``rows`` of each. ``codes``: shape (rows,), the value of
    each row. ``segmented``: whether it is a segment, of which features are compared.
    """

    name: str
    values: tuple[str, ...]
    rows: tuple[int, ...]
    codes: npt.NDArray[np.int16]
    segmented: bool

    def groups(self, start: int = 0, rows: int | None = None) -> Codes:
        """Return the group of each of ``rows`` rows from ``start``; by default of all."""
        return self.codes[start : None if rows is None else start + rows].astype(np.intp)


def groupings(
    source: Source, monitor: Monitor, columns: Sequence[Column]
) -> tuple[list[Grouping], list[Account]]:
    """Return the segments and attributes of the monitor file that the data has, and an account of every one.

    The ``maxSegmentValues`` values of most rows are told apart, as in the log.
    """
    spec = monitor.spec
    attributes = spec.fairness.attributes if spec.fairness is not None and spec.task == "binary" else []
    found: list[Grouping] = []
    accounts: dict[str, Account] = {}
    for paths, segmented in (
        *((item, True) for item in spec.segments),
        *((item, False) for item in attributes),
    ):
        name = scope_name(paths)
        parts = [
            _value(source, monitor, columns, path) for path in ([paths] if isinstance(paths, str) else paths)
        ]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            accounts[name] = of_segment_without_data(name)
            continue
        grouping = _grouping(source, name, " || ',' || ".join(known), spec.maxSegmentValues, segmented)
        found.append(grouping)
        rows = dict(zip(grouping.values, grouping.rows, strict=True))
        accounts[name] = of_segment(name, rows, spec.minSamples)
    return found, list(accounts.values())


def _value(source: Source, monitor: Monitor, columns: Sequence[Column], path: str) -> str | None:
    """Return SQL for the value at a segment's path: there, or of the feature that the path is or leads to.

    Flat data has a feature as a column of its own, and not where the log has it.
    """
    texts = []
    container = monitor.spec.predictions.fields.feature_container
    for alternative in path.split(ALTERNATIVE):
        if (expression := source.at(alternative)) is not None:
            texts.append(Column(path, expression, source.type_of(expression)).text)
        names = (alternative, alternative.removeprefix(f"{container}."))
        texts += [column.text for column in columns if column.feature in names]
    if not texts:
        return None
    return f"coalesce({', '.join(map(sql.canonical, texts))}, {sql.text(NO_VALUE)})"


def _grouping(source: Source, name: str, value: str, most: int, segmented: bool) -> Grouping:
    counts = source.query(
        f"SELECT {value} AS value, count(*) AS number FROM source GROUP BY 1 ORDER BY 2 DESC, 1 "
        f"LIMIT {most + 1}"
    )
    largest = [(str(text), int(number)) for text, number in counts if text != OTHER][:most]
    values, rows = [text for text, _ in largest], [number for _, number in largest]
    if (rest := source.rows - sum(rows)) > 0:
        values, rows = [*values, OTHER], [*rows, rest]
    code = f"{len(largest)}::SMALLINT"
    if largest:
        names = sql.name(source.define(f"values of {name}", [text for text, _ in largest]))
        code = f"coalesce(enum_code(TRY_CAST({value} AS {names}))::SMALLINT, {code})"
    blocks = [np.asarray(block["code"], dtype=np.int16) for block in source.blocks({"code": code}, 1 << 20)]
    return Grouping(name, tuple(values), tuple(rows), np.concatenate(blocks), segmented)


class SegmentParts:
    """Collects what the rows of each value of each grouping are, part by part (``Reference.counts``).

    ``answers``: by the names of ``Reference.answers`` how rows are folded by any other groups.
    """

    def __init__(self, groupings: Sequence[Grouping], rows: int) -> None:
        """``rows``: of the data."""
        self.groupings = groupings
        self._rows = rows
        self.answers: dict[str, Callable[[Codes, int], Any]] = {}
        self._parts: dict[Grouping, list[dict[str, Summary]]] = {
            grouping: [{} for _ in grouping.values] for grouping in groupings
        }

    @property
    def segments(self) -> list[Grouping]:
        """Groupings that are segments: of others, attributes of groups, only outputs and outcomes are counted."""
        return [grouping for grouping in self.groupings if grouping.segmented]

    def add(self, part: str, fold: Callable[[Codes, int], Any], *, attributes: bool = False) -> None:
        """Add a part. ``fold``: groups of all rows, and their number -> a stack. ``attributes``: of them, too."""
        if part in _ANSWERS:
            self.answers[_ANSWERS[part]] = fold
        for grouping in self.groupings if attributes else self.segments:
            self.keep(grouping, part, fold(grouping.groups(), len(grouping.values)))

    def add_blocks(
        self, part: str, blocks: Iterable[tuple[int, Values]], fold: Callable[[Values, Codes, int], Stack]
    ) -> Stack:
        """Add a part that is read a block at a time, as (rows, values); return that of all rows, a stack of one."""
        everything = Grouping("", ("",), (), np.zeros(self._rows, dtype=np.int16), segmented=True)
        whole, *stacks = _accumulated([everything, *self.segments], blocks, fold)
        for grouping, stack in zip(self.segments, stacks, strict=True):
            self.keep(grouping, part, stack)
        return whole

    def add_feature(
        self, source: Source, column: Column, item: FeatureViews, part: str | None = None
    ) -> None:
        """Count a feature once more, by the values of segments. ``part``: its name, where it is no feature."""
        names = {view: part or view_part(name) for view, name in item.names(column.feature).items()}
        binnings = {view: found.binning for view, found in item.views.items()}

        def blocks() -> Iterator[tuple[int, dict[str, Any]]]:
            for rows, values in decoded(source, column, KINDS[item.kind], binnings):
                yield rows, {view: binnings[view].prepare(some) for view, some in values.items()}

        def fold(prepared: dict[str, Any], groups: Codes, size: int) -> Composite:
            return Composite(
                {view: binnings[view].fold(some, groups, size) for view, some in prepared.items()}
            )

        if part is not None:
            primary = KINDS[item.kind].primary_view

            def again(groups: Codes, size: int) -> Any:
                grouping = Grouping("", ("",) * size, (), groups.astype(np.int16), segmented=True)
                return _accumulated([grouping], blocks(), fold)[0][primary]

            self.answers[_ANSWERS[part]] = again
        if not self.segments:
            return
        for grouping, stack in zip(self.segments, _accumulated(self.segments, blocks(), fold), strict=True):
            for view, name in names.items():
                self.keep(grouping, name, stack[view])

    def keep(self, grouping: Grouping, part: str, stack: Any) -> None:
        """Add a part of one grouping: a summary of each of its values."""
        for position, parts in enumerate(self._parts[grouping]):
            found = stack[position]
            parts[part] = _rounded(found) if isinstance(found, NumericSummary) else found

    def found(self, *, segmented: bool) -> dict[str, dict[str, SegmentCounts]]:
        """Return the counts of each value of each segment, or of each attribute."""
        return {
            grouping.name: {
                value: SegmentCounts(rows, Composite(counts))
                for value, rows, counts in zip(grouping.values, grouping.rows, parts, strict=True)
            }
            for grouping, parts in self._parts.items()
            if grouping.segmented == segmented
        }


def _accumulated(
    groupings: Sequence[Grouping],
    blocks: Iterable[tuple[int, Values]],
    fold: Callable[[Values, Codes, int], Stack],
) -> list[Stack]:
    """Return the stack of each grouping."""
    stacks: list[Stack] = []
    start = 0
    for rows, values in blocks:
        found = [fold(values, grouping.groups(start, rows), len(grouping.values)) for grouping in groupings]
        stacks = [before + stack for before, stack in zip(stacks, found, strict=True)] if start else found
        start += rows
    return stacks


def _rounded(summary: NumericSummary) -> NumericSummary:
    """Round the sums by bin to a hundred-thousandth of the standard deviation: half the digits of a file are theirs."""
    deviation = math.sqrt(summary.variance) if summary.present else 0.0
    if not deviation > 0:
        return summary
    places = _PLACES - math.floor(math.log10(deviation))
    return replace(
        summary, deviations=np.array([round(found, places) for found in summary.deviations.tolist()])
    )
