"""Noise of a reference, learnt from how stretches of its own data differ from each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from exporter.features import KINDS
from exporter.features.binning import Binning, CategoricalBinning, NumericBinning
from exporter.parse.times import epoch_microseconds
from exporter.references.baseline.columns import Column
from exporter.references.baseline.segments import Grouping
from exporter.references.baseline.source import Source
from exporter.references.baseline.views import decoded
from exporter.references.noise import Noise
from exporter.references.reference import FeatureViews, ViewReference
from exporter.statistics.design_effect import LEAST_STRETCHES, Learnt, learn, learn_dependence
from exporter.statistics.false_discovery import combined_p_values
from exporter.summary.base import Codes, Floats
from exporter.summary.windows import MICROSECONDS
from mlslo.monitor import Monitor

_LEAST_ROWS = 50
_LEAST_BLOCKS, _MOST_BLOCKS = 8, 4096
_ROWS = 1 << 17
_MOSTLY = 0.9


class Blocks(NamedTuple):
    """Consecutive blocks of rows, in the order of their times, or else of the file.

    ``of_row``: the block of each row, -1 where it is in none. ``number``: of blocks. ``rows``: of each. ``seconds``:
    that a row took, None where there are no times.
    """

    of_row: Codes
    number: int
    rows: int
    seconds: float | None

    def groups(self, start: int = 0, rows: int | None = None) -> tuple[Codes, int]:
        """Return the group of each of ``rows`` rows from ``start``, and their number; the last is that of no block."""
        of_row = self.of_row[start : None if rows is None else start + rows]
        return np.where(of_row < 0, self.number, of_row), self.number + 1

    @classmethod
    def in_order(cls, rows: int) -> Blocks:
        """Return the blocks of ``rows`` rows that are in order."""
        size = max(_LEAST_ROWS, -(-rows // _MOST_BLOCKS))
        number = rows // size
        of_row = np.arange(rows) // size
        return cls(np.where(of_row < number, of_row, -1), number, size, None)

    @classmethod
    def by_time(cls, times: Floats) -> Blocks:
        """Return the blocks of rows at ``times`` (epoch µs, NaN where there is none)."""
        timed = np.flatnonzero(~np.isnan(times))
        order = timed[np.argsort(times[timed], kind="stable")]
        found = cls.in_order(len(order))
        of_row = np.full(len(times), -1)
        of_row[order] = found.of_row
        # The median of long stretches: a gap between two parts of the data is no time that a row took.
        step = max(1, len(order) // (2 * LEAST_STRETCHES))
        ends = times[order][::step]
        took = float(np.median(ends[2:] - ends[:-2])) / MICROSECONDS if len(ends) > 2 else 0.0
        return found._replace(of_row=of_row, seconds=took / (2 * step) if took > 0 else None)


def blocks_of(source: Source, monitor: Monitor) -> Blocks:
    """Return the blocks of the data's rows."""
    predictions = monitor.spec.predictions
    path = predictions.fields.timestamp
    expression = source.at(path)
    if expression is not None and path is not None:
        column = Column(path, expression, source.type_of(expression))
        requested = {"time": f"({epoch_microseconds(column.text, predictions.times)})::DOUBLE"}
        parts = [np.ma.filled(block["time"], np.nan) for block in source.blocks(requested, _ROWS)]
        times = np.concatenate(parts)
        known = times[~np.isnan(times)]
        if len(known) >= _MOSTLY * len(times) and known.min() < known.max():
            return Blocks.by_time(times)
    return Blocks.in_order(source.rows)


class ViewBlocks(NamedTuple):
    """Counts of consecutive blocks of rows. ``feature``: empty of scores, classes and labels.

    ``bins``: over deciles or categories, shape (blocks, bins). ``cells``: of numbers, over their fine edges.
    """

    feature: str
    bins: Floats
    cells: Floats | None = None

    @classmethod
    def of(cls, feature: str, view: ViewReference, stack: Any) -> ViewBlocks | None:
        """Return the counts of a stack of summaries, one of each block; None of a view that has no p-value."""
        if isinstance(view.binning, CategoricalBinning):
            return cls(feature, np.column_stack([stack.counts, stack.unseen]))
        if isinstance(view.binning, NumericBinning):
            bins = [stack[place].regrouped(view.deciles) for place in range(len(stack.counts))]
            return cls(feature, np.array(bins), stack.counts)
        return None


def of_features(
    source: Source, columns: Sequence[Column], described: Mapping[str, FeatureViews], blocks: Blocks
) -> Iterator[tuple[str, ViewBlocks]]:
    """Yield the name and the counts of each feature view that has a p-value, read once more."""
    for column in columns:
        item = described.get(column.feature)
        if item is None:
            continue
        binnings = {
            view: reference.binning
            for view, reference in item.views.items()
            if isinstance(reference.binning, NumericBinning | CategoricalBinning)
        }
        names = item.names(column.feature)
        if item.kind == "timestamp":
            # Points in time are always later than a reference's, which is no drift.
            del binnings[KINDS[item.kind].primary_view]
        if binnings:
            for view, stack in _folded(source, column, item.kind, binnings, blocks).items():
                found = ViewBlocks.of(column.feature, item.views[view], stack)
                if found is not None:
                    yield names[view], found


def _folded(
    source: Source, column: Column, kind_name: str, binnings: Mapping[str, Binning], blocks: Blocks
) -> dict[str, Any]:
    """Return the stack of the summaries of each block, by view."""
    stacks: dict[str, Any] = {}
    start = 0
    for rows, block in decoded(source, column, KINDS[kind_name], binnings):
        groups, size = blocks.groups(start, rows)
        start += rows
        for view, binning in binnings.items():
            stack = binning.fold(binning.prepare(block[view]), groups, size)
            stacks[view] = stacks[view] + stack if view in stacks else stack
    return {view: stack[: blocks.number] for view, stack in stacks.items()}


def of_answers(
    answers: Mapping[str, ViewReference | None],
    folds: Mapping[str, Callable[[Codes, int], Any]],
    blocks: Blocks,
) -> Iterator[tuple[str, ViewBlocks]]:
    """Yield the name and the counts of each score, class and label.

    ``folds``: by the same names, from groups of all rows and their number to a stack.
    """
    for name, view in answers.items():
        if view is not None and name in folds:
            stack = folds[name](*blocks.groups())
            found = ViewBlocks.of("", view, stack[: blocks.number])
            if found is not None:
                yield name, found


def noise_of(
    views: Iterable[tuple[str, ViewBlocks]], blocks: Blocks, groupings: Iterable[Grouping] = ()
) -> Noise | None:
    """Learn the noise of all ``views``, and of the values of ``groupings``; None where the data is too short."""
    longest = blocks.number // LEAST_STRETCHES
    steps = [2**power for power in range(longest.bit_length())]
    if blocks.number < _LEAST_BLOCKS:
        return None
    found: dict[str, Learnt] = {}
    features: dict[str, list[Learnt]] = {}
    for name, view in views:
        found[name] = learnt = learn(view.bins, steps, view.cells)
        if view.feature:
            features.setdefault(view.feature, []).append(learnt)
    by_length = [
        np.array([combined_p_values([view.p_values[place] for view in of]) for of in features.values()])
        for place in range(len(steps))
    ]
    return Noise(
        np.array(steps, dtype=np.float64) * blocks.rows,
        blocks.seconds,
        dict(zip(features, learn_dependence(by_length).T, strict=True)) if features else {},
        {name: (learnt.effects, learnt.single, learnt.degrees) for name, learnt in found.items()},
        {grouping.name: _together(grouping, blocks, steps) for grouping in groupings},
    )


def _together(grouping: Grouping, blocks: Blocks, steps: Sequence[int]) -> dict[str, Floats]:
    """Value -> design effect of the share of rows that have it, of each length."""
    groups, size = blocks.groups()
    found = {}
    for code, value in enumerate(grouping.values):
        rows = np.bincount(groups[grouping.codes == code], minlength=size)[: blocks.number].astype(np.float64)
        found[value] = learn(np.column_stack([rows, blocks.rows - rows]), steps).effects
    return found
