"""Noise of a reference, learnt from how stretches of its own data differ from each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from exporter.features import KINDS
from exporter.features.binning import Binning, CategoricalBinning, NumericBinning
from exporter.parse.times import epoch_microseconds
from exporter.references.baseline.columns import Column
from exporter.references.baseline.counting import Grouping, Read
from exporter.references.baseline.source import Part, Source, merged
from exporter.references.baseline.views import decoder, prepared
from exporter.references.noise import Noise
from exporter.references.reference import FeatureViews, ViewReference
from exporter.statistics.design_effect import LEAST_STRETCHES, Learnt, learn, learn_dependence
from exporter.statistics.false_discovery import combined_p_values
from exporter.summary.base import Codes, Floats, count_cells, regrouped
from exporter.summary.windows import MICROSECONDS
from mlslo.monitor import Monitor

_LEAST_ROWS = 50
_LEAST_BLOCKS, _MOST_BLOCKS = 8, 4096
_MOSTLY = 0.9


@dataclass(frozen=True)
class Blocks:
    """Consecutive blocks of rows, in the order of their times, or else of the file.

    ``number``: of blocks. ``rows``: of each; what is left over is in none. ``seconds``: that a row took, None where
    there are no times.
    """

    number: int
    rows: int
    seconds: float | None = None

    @classmethod
    def of(cls, rows: int) -> Blocks:
        """Return the blocks of ``rows`` rows that are in the order of the file."""
        size = max(_LEAST_ROWS, -(-rows // _MOST_BLOCKS))
        return cls(rows // size, size)

    @property
    def are_enough(self) -> bool:
        """True where something can be learnt of them."""
        return self.number >= _LEAST_BLOCKS

    def groups(self, part: Part) -> Codes:
        """Return the block of each row of a part; ``number`` is that of rows in none."""
        return part.kept("blocks", self._of_rows)

    def _of_rows(self, part: Part) -> Codes:
        return np.minimum(np.arange(part.start, part.start + part.rows) // self.rows, self.number)


@dataclass(frozen=True)
class TimedBlocks(Blocks):
    """Blocks of rows in the order of their times; those of one time in the order of the file.

    ``time``: SQL for it, in epoch µs. ``next``: of each block the time of the first row behind it, ascending; infinite
    where there is none. ``within``: how many rows of that time are not behind it. ``before``: start of a part ->
    time -> rows of that time in the parts before it, of times that blocks share.
    """

    time: str = ""
    next: tuple[float, ...] = ()
    within: tuple[int, ...] = ()
    before: Mapping[int, Mapping[float, int]] = field(default_factory=dict)

    @classmethod
    def by_time(cls, source: Source, time: str) -> Blocks | None:
        """Return the blocks, or None where too few rows have a time, or all the same."""

        def read(part: Part) -> dict[str, Floats]:
            return {"time": _times(part, time)}

        found = source.order(read, lambda number: np.concatenate(cls._ranks(number)))["time"]
        if found.number < _MOSTLY * source.rows or not found.values[0] < found.values[1]:
            return None
        in_order = Blocks.of(found.number)
        _, behind, steps = cls._ranks(found.number)
        times = np.append(found.values[2 : 2 + len(behind)], np.full(in_order.number - len(behind), np.inf))
        # The median of long stretches: a gap between two parts of the data is no time that a row took.
        ends = found.values[2 + len(behind) :]
        took = float(np.median(ends[2:] - ends[:-2])) / MICROSECONDS if len(ends) > 2 else 0.0
        seconds = took / (2 * int(steps[1])) if took > 0 else None
        distinct = np.unique(times[np.isfinite(times)])

        def ties(part: Part) -> dict[str, Any]:
            ordered = np.sort(_times(part, time))
            below, up_to = (np.searchsorted(ordered, distinct, side=side) for side in ("left", "right"))
            own = {place: int(up_to[place] - below[place]) for place in np.flatnonzero(up_to > below)}
            return {"below": below, "own": [(part.start, own)]}

        counted = source.fold(ties)
        first = np.append(counted["below"], found.number)[np.searchsorted(distinct, times)]
        within = (np.arange(1, in_order.number + 1) * in_order.rows) - first
        shared = {int(place) for place in np.searchsorted(distinct, times[within > 0])}
        so_far = dict.fromkeys(shared, 0)
        before = {}
        for start, own in counted["own"]:
            here = {place: number for place, number in own.items() if place in shared}
            before[start] = {float(distinct[place]): so_far[place] for place in here if so_far[place]}
            so_far |= {place: so_far[place] + number for place, number in here.items()}
        return cls(
            in_order.number, in_order.rows, seconds, time, tuple(times), tuple(map(int, within)), before
        )

    @staticmethod
    def _ranks(number: int) -> tuple[Codes, Codes, Codes]:
        """Ranks of the ends, of the first row behind each block, and of rows at equal steps."""
        in_order = Blocks.of(number)
        behind = np.arange(1, in_order.number + 1) * in_order.rows
        step = max(1, number // (2 * LEAST_STRETCHES))
        return np.array([0, number - 1]), behind[behind < number], np.arange(0, number, step)

    def _of_rows(self, part: Part) -> Codes:
        times, ends, within = _times(part, self.time), np.array(self.next), np.array(self.within)
        found = np.searchsorted(np.where(within > 0, ends, np.nextafter(ends, -np.inf)), times, side="left")
        order = np.argsort(times, kind="stable")
        shared = np.unique(ends[within > 0])
        starts, stops = (np.searchsorted(times[order], shared, side=side) for side in ("left", "right"))
        known = self.before.get(part.start, {})
        for place in np.flatnonzero(stops > starts):
            time = float(shared[place])
            first, last = (np.searchsorted(ends, time, side=side) for side in ("left", "right"))
            places = known.get(time, 0) + np.arange(stops[place] - starts[place])
            behind = np.searchsorted(within[first:last], places, side="right")
            found[order[starts[place] : stops[place]]] = first + behind
        found[np.isnan(times)] = self.number
        return found


def _times(part: Part, time: str) -> Floats:
    blocks = [np.ma.filled(block["time"], np.nan) for block in part.blocks({"time": time})]
    return np.concatenate(blocks)


def blocks_of(source: Source, monitor: Monitor) -> Blocks:
    """Return the blocks of the data's rows."""
    predictions = monitor.spec.predictions
    path = predictions.fields.timestamp
    expression = source.at(path)
    if expression is not None and path is not None:
        column = Column(path, expression, source.type_of(expression))
        time = f"({epoch_microseconds(column.text, predictions.times)})::DOUBLE"
        if (found := TimedBlocks.by_time(source, time)) is not None:
            return found
    return Blocks.of(source.rows)


class ViewBlocks(NamedTuple):
    """Counts of consecutive blocks of rows. ``feature``: empty of scores, classes and labels.

    ``bins``: over deciles or categories, shape (blocks, bins). ``cells``: of numbers, over their fine edges.
    """

    feature: str
    bins: Floats
    cells: Floats | None = None

    @classmethod
    def of(cls, feature: str, view: ViewReference, counts: Floats) -> ViewBlocks:
        """``counts``: of each block, over the view's binning."""
        if isinstance(view.binning, CategoricalBinning):
            return cls(feature, counts)
        edges = view.summary.edges
        return cls(feature, np.array([regrouped(row, edges, view.deciles) for row in counts]), counts)


class Noisy(NamedTuple):
    """Views that have a p-value, by their names. ``read``: their values, by the same, as their binnings fold them."""

    feature: str
    views: Mapping[str, ViewReference]
    read: Read[dict[str, Any]]


def of_features(
    source: Source, columns: Sequence[Column], described: Mapping[str, FeatureViews]
) -> Iterator[Noisy]:
    """Yield each feature with the views that have a p-value."""
    for column in columns:
        item = described.get(column.feature)
        if item is None:
            continue
        views = {
            view: reference
            for view, reference in item.views.items()
            if isinstance(reference.binning, NumericBinning | CategoricalBinning)
        }
        if item.kind == "timestamp":
            # Points in time are always later than a reference's, which is no drift.
            del views[KINDS[item.kind].primary_view]
        if views:
            binnings = {view: reference.binning for view, reference in views.items()}
            read = prepared(decoder(source, column, KINDS[item.kind], binnings), binnings)
            names = item.names(column.feature)
            yield Noisy(
                column.feature, {names[view]: found for view, found in views.items()}, _renamed(read, names)
            )


def _renamed(read: Read[dict[str, Any]], names: Mapping[str, str]) -> Read[dict[str, Any]]:
    def again(part: Part) -> Iterator[tuple[int, dict[str, Any]]]:
        for rows, values in read(part):
            yield rows, {names[name]: some for name, some in values.items()}

    return again


def counts_of_blocks(binning: Binning, values: Any, groups: Codes, number: int) -> Floats:
    """Count prepared ``values``, shape (blocks, bins); ``number``: of blocks, and the group of rows in none."""
    if isinstance(binning, NumericBinning):
        bins = len(binning.edges) + 1
        # Behind the bins is what cannot be binned.
        return count_cells(groups, number + 1, values.cells, bins + 3)[:number, :bins]
    stack: Any = binning.fold(values, groups, number + 1)
    return np.column_stack([stack.counts, stack.unseen])[:number]


def views_of(source: Source, noisy: Iterable[Noisy], blocks: Blocks) -> Iterator[tuple[str, ViewBlocks]]:
    """Yield the name and the counts of each view, read once more."""

    def counted(item: Noisy) -> dict[str, ViewBlocks]:
        binnings, read = {name: view.binning for name, view in item.views.items()}, item.read

        def of_part(part: Part) -> dict[str, Floats]:
            groups = blocks.groups(part)
            found: dict[str, Floats] = {}
            start = 0
            for rows, values in read(part):
                codes = groups[start : start + rows]
                block = {
                    name: counts_of_blocks(binning, values[name], codes, blocks.number)
                    for name, binning in binnings.items()
                }
                found = merged(found, block) if found else block
                start += rows
            return found

        counts = source.tally(of_part)
        return {name: ViewBlocks.of(item.feature, view, counts[name]) for name, view in item.views.items()}

    for found in source.together(counted, noisy):
        yield from found.items()


def noise_of(
    views: Iterable[tuple[str, ViewBlocks]],
    blocks: Blocks,
    groups: Mapping[Grouping, Floats] = MappingProxyType({}),
) -> Noise | None:
    """Learn the noise of all ``views``, and of ``groups``; None where the data is too short.

    ``groups``: of each grouping the rows by block and value, shape (blocks, values).
    """
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
        {grouping.name: _together(grouping, rows, blocks, steps) for grouping, rows in groups.items()},
    )


def groups_of(source: Source, groupings: Sequence[Grouping], blocks: Blocks) -> dict[Grouping, Floats]:
    """Return the rows of each grouping by block and value, shape (blocks, values)."""
    if not groupings:
        return {}

    def of_part(part: Part) -> dict[int, Floats]:
        groups = blocks.groups(part)
        return {
            place: count_cells(groups, blocks.number + 1, item.groups(part), len(item.values))
            for place, item in enumerate(groupings)
        }

    found = source.tally(of_part)
    return {item: found[place][: blocks.number] for place, item in enumerate(groupings)}


def _together(grouping: Grouping, rows: Floats, blocks: Blocks, steps: Sequence[int]) -> dict[str, Floats]:
    """Value -> design effect of the share of rows that have it, of each length."""
    return {
        value: learn(np.column_stack([own, blocks.rows - own]), steps).effects
        for value, own in zip(grouping.values, rows.T, strict=True)
    }
