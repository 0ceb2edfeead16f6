"""Segments and groups of the data: their values, and what the rows of each are over the bins of all rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from exporter.parse import sql
from exporter.references.baseline.account import Account, of_segment, of_segment_without_data
from exporter.references.baseline.columns import Column
from exporter.references.baseline.counting import Counted, Grouping
from exporter.references.baseline.source import Source
from exporter.references.reference import SegmentCounts
from exporter.state import NO_VALUE, OTHER
from exporter.summary.base import Composite, Summary
from exporter.summary.numeric import NumericSummary
from mlslo.monitor import ALTERNATIVE, Monitor, scope_name

_PLACES = 5


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
        grouping = _grouping(source, monitor, name, " || ',' || ".join(known), segmented)
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


def _grouping(source: Source, monitor: Monitor, name: str, value: str, segmented: bool) -> Grouping:
    most = monitor.spec.maxSegmentValues
    counts = source.counts(value, most + 1)
    if counts is None:
        raise monitor.document.error(
            ("spec",), f"segment '{name}' has more values in the data than can be counted"
        )
    largest = [(str(text), number) for text, number in counts if text != OTHER][:most]
    values, rows = [text for text, _ in largest], [number for _, number in largest]
    if (rest := source.rows - sum(rows)) > 0:
        values, rows = [*values, OTHER], [*rows, rest]
    code = f"{len(largest)}::SMALLINT"
    if largest:
        names = sql.name(source.define(f"values of {name}", [text for text, _ in largest]))
        code = f"coalesce(enum_code(TRY_CAST({value} AS {names}))::SMALLINT, {code})"
    return Grouping(name, tuple(values), tuple(rows), code, segmented)


class SegmentParts:
    """Collects what the rows of each value of each grouping are, part by part (``Reference.counts``)."""

    def __init__(self, groupings: Sequence[Grouping]) -> None:
        self.groupings = groupings
        self._parts: dict[Grouping, list[dict[str, Summary]]] = {
            grouping: [{} for _ in grouping.values] for grouping in groupings
        }

    @property
    def segments(self) -> list[Grouping]:
        """Groupings that are segments: of others, attributes of groups, only outputs and outcomes are counted."""
        return [grouping for grouping in self.groupings if grouping.segmented]

    def keep(self, counted: Counted, names: Mapping[str, str], *, attributes: bool = False) -> None:
        """Add what was counted. ``names``: as it was folded -> of the part. ``attributes``: of them, too."""
        for grouping, stacks in counted.stacks.items():
            if not (attributes or grouping.segmented):
                continue
            for position, parts in enumerate(self._parts[grouping]):
                for name, part in names.items():
                    found = stacks[name][position]
                    parts[part] = _rounded(found) if isinstance(found, NumericSummary) else found

    def add(self, others: SegmentParts) -> None:
        """Add what others kept of the same groupings."""
        for grouping, of_values in others._parts.items():
            for parts, further in zip(self._parts[grouping], of_values, strict=True):
                parts.update(further)

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


def _rounded(summary: NumericSummary) -> NumericSummary:
    """Round the sums by bin to a hundred-thousandth of the standard deviation: half the digits of a file are theirs."""
    deviation = math.sqrt(summary.variance) if summary.present else 0.0
    if not deviation > 0:
        return summary
    places = _PLACES - math.floor(math.log10(deviation))
    return replace(
        summary, deviations=np.array([round(found, places) for found in summary.deviations.tolist()])
    )
