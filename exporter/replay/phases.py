"""Readings of one model: one for all steps, and one more for each step at which a reference of a first time is there.

What is counted of a version follows from its references: from that step on, all of its past is counted over other bins.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from exporter.daemon.first_references import FirstReferences
from exporter.daemon.models import Model
from exporter.daemon.snapshots import Snapshots
from exporter.fold.grouping import CycleTime
from exporter.fold.version_schemas import VersionSchemas
from exporter.measure.exposition import Snapshot
from exporter.records.reshaping import plain
from exporter.references.reference import Reference
from exporter.references.reference_file import parse
from exporter.replay.past import PastStore
from exporter.replay.reading import Reading
from exporter.replay.steps import Grid
from exporter.state import Store
from exporter.state.connection import Connection
from exporter.state.samples import Sampled
from exporter.summary.windows import CLOCK_SKEW, MICROSECONDS
from exporter.tasks import task_of

Progress = Callable[[int, int], None]
"""Is told how much is done, and of how much."""
NewReading = Callable[[Model, Grid, Path], Reading]
"""Opens what reads the logs of a model; at the path it may write."""


class Phases:
    """Readings of one model, by the step from which each one counts."""

    def __init__(self, model: Model, grid: Grid, work: Path, reading: NewReading) -> None:
        """``work``: a folder for its own. Raises StoreError where that cannot be written."""
        self.model = model
        self.grid = grid
        self._work = work
        work.mkdir()
        self.main = reading(model, grid, work / "0.sqlite")
        self._from: list[tuple[int, Reading]] = []

    def read(self, since: int, until: int, latest: int, progress: Progress) -> None:
        """Read the logs once, as ``Reading.read`` does."""
        self._times = since, until, latest
        self.main.read(since, until, latest, progress)

    def read_again(self, first: int, last: int, progress: Progress) -> None:
        """Read the logs for each step from ``first`` to ``last`` from which there is another reference."""
        self._from = [(first, self.main)]
        built = self._first_references()
        ready = self._ready(built, first, last)
        for step in sorted(set(ready.values())):
            own: dict[str, dict[str, Reference]] = {}
            for sampled, since in ready.items():
                if since <= step:
                    own.setdefault(sampled.version, {})[sampled.reference] = built[sampled]
            reading = Reading(self.model, self.grid, self._work / f"{len(self._from)}.sqlite", own)
            reading.read(*self._times, progress)
            self._from.append((step, reading))

    def join(self, first: int, last: int, progress: Progress) -> None:
        """Join labels for the steps from ``first`` to ``last``."""
        for _, reading in self._from:
            reading.join(first, last, progress)

    def snapshots(self, steps: Sequence[int]) -> Iterator[Snapshot]:
        """Yield what the daemon would have exported at each of ``steps``, which ascend."""

        def phase(step: int) -> int:
            return max(place for place, (since, _) in enumerate(self._from) if since <= step)

        for place, some in groupby(steps, key=phase):
            yield from snapshots(self._from[place][1], list(some))

    def _first_references(self) -> Mapping[Sampled, Reference]:
        """Return the references of first times that are over, as of the end of the logs."""
        monitor = self.model.monitor
        if all(item.first is None for item in monitor.spec.references.values()):
            return {}
        schemas = VersionSchemas(
            plain(monitor), task_of(plain(monitor).spec, self.model.references), self.model.references
        )
        _, until, latest = self._times
        cycle = CycleTime(until, latest, until, until, known=until)
        with (
            closing(Store(self._work / "first.sqlite")) as store,
            closing(FirstReferences(monitor, schemas, store)) as first,
        ):
            first.update(cycle, final=True, stopped=lambda: False)
            built = store.samples.built()
            return {
                sampled: parse(store.samples.reference(sampled), Path(sampled.reference)) for sampled in built
            }

    def _ready(self, built: Mapping[Sampled, Reference], first: int, last: int) -> dict[Sampled, int]:
        """Return the step from which each is there: a record of after its first time is, or the clock says so."""
        marks = self.main.ingestion.past.marks
        found = {}
        for sampled, reference in built.items():
            end = round(reference.created * MICROSECONDS)
            for step in range(first, last + 1):
                marks.step = step
                newest = max(marks.get("predictions event") or 0, self.grid.time(step) - CLOCK_SKEW)
                if newest >= end:
                    found[sampled] = step
                    break
        return found


@dataclass(frozen=True)
class _Reader:
    """A sink that is read to its end at each step. ``up``: whether it could be."""

    up: bool

    lag_unit: str = "bytes"

    def lag(self) -> int:
        return 0

    def own_metrics(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        return ()


def snapshots(reading: Reading, steps: Sequence[int]) -> Iterator[Snapshot]:
    """Yield what the daemon would have exported at each of ``steps``, which ascend."""
    uri = f"{reading.path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, factory=Connection)) as connection:
        connection.path = reading.path
        store = PastStore(reading, connection)
        store.hold(steps[0], steps[-1])
        presence = reading.ingestion.past_presence
        taking = Snapshots(reading.monitor, reading.task, reading.schemas, store, presence)
        readers = {name: _Reader(up) for name, up in reading.up.items()}
        for step in steps:
            end = reading.grid.time(step)
            store.to(step)
            yield taking.take(reading.buckets.windows(end), readers, done=end / MICROSECONDS)
