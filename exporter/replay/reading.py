"""The logs of one model, read once for all steps of a replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from exporter.daemon.models import Model
from exporter.fold.grouping import CycleTime
from exporter.fold.version_schemas import VersionSchemas
from exporter.records.reshaping import Reshaping, plain
from exporter.references.reference import Reference
from exporter.replay.ingestion import PastIngestion
from exporter.replay.outcomes import Outcomes
from exporter.replay.steps import Grid, StepBuckets
from exporter.sinks import SinkReader
from exporter.state import Store
from exporter.state.counters import Version
from exporter.summary.windows import MICROSECONDS
from exporter.tasks import task_of


class Reading:
    """Content of the logs of one model, by step; its summaries are in a file at ``path``.

    ``first`` and ``last``: times of the first prediction and of the last record (epoch µs), None where there is none.
    ``up``: by sink, whether it could be read. ``versions`` and ``combinations`` (of segment values): by number.
    ``held``: segment or attribute -> its values that are counted by themselves.
    """

    def __init__(
        self,
        model: Model,
        grid: Grid,
        path: Path,
        own: Mapping[str, Mapping[str, Reference]] = MappingProxyType({}),
        *,
        schemas: VersionSchemas | None = None,
        shapes: Mapping[str, Reshaping] | None = None,
    ) -> None:
        """``own``: references of versions, beside those of files. ``schemas`` and ``shapes`` (what makes records plain,
        by sink): instead of those of the monitor file. Raises StoreError where nothing can be written.
        """
        self.model = model
        self.grid = grid
        self.path = path
        self.monitor = plain(model.monitor)
        self.task = task_of(self.monitor.spec, model.references)
        self.schemas = schemas or VersionSchemas(self.monitor, self.task, model.references)
        for version, references in own.items():
            self.schemas.adopt(version, references)
        self.buckets = StepBuckets(self.monitor.spec, grid)
        self.outcomes = Outcomes()
        self.up: dict[str, bool] = {}
        self.versions: Mapping[int, Version] = {}
        self.combinations: Mapping[int, Mapping[str, str]] = {}
        self.held: Mapping[str, frozenset[str]] = {}
        self._store = Store(path)
        self._store.versions.shared = self._store.combinations.shared = True
        self.ingestion = PastIngestion(
            model, self.task, self.schemas, self._store, self.buckets, grid, shapes
        )

    @property
    def first(self) -> int | None:
        return self.ingestion.past.first

    @property
    def last(self) -> int | None:
        newest = [self.ingestion.past.newest(name) for name in self.up]
        return max((time for time in newest if time is not None), default=None)

    def read(self, since: int, until: int, latest: int, progress: Callable[[int, int], None]) -> None:
        """Read all records of up to ``until``, to be measured from ``since`` on.

        Times in epoch µs. What is after ``latest`` is from the future. ``progress`` is told how many bytes are read,
        and of how many. Raises StoreError where the store cannot be written.
        """
        ingestion, spec, store = self.ingestion, self.monitor.spec, self._store
        sinks = {"predictions": spec.predictions.sink}
        if spec.labels is not None:
            sinks["labels"] = spec.labels.sink
        with ExitStack() as opened:
            opened.callback(ingestion.close)
            readers = {
                name: SinkReader(name, self.monitor, sink.whole(), store) for name, sink in sinks.items()
            }
            for reader in readers.values():
                opened.callback(reader.close)
            ingestion.counting.start({name: reader.reasons for name, reader in readers.items()})
            cycle = CycleTime(until, latest, since, until, known=until)
            total = sum(reader.lag() or 0 for reader in readers.values())
            takes = {"predictions": ingestion.predictions, "labels": ingestion.labels}
            for name, reader in readers.items():
                for batch in reader.batches(final=True, stopped=lambda: False):
                    takes[name](batch, reader, cycle)
                    left = sum(reader.lag() or 0 for reader in readers.values())
                    total = max(total, left)
                    progress(total - left, total)
                if name == "predictions" and reader.up:
                    ingestion.unanswered(reader, replace(cycle, settled=until))
                self.up[name] = reader.up
            with store.transaction():
                ingestion.past_folding.exchange_segments()

    def join(self, first: int, last: int, progress: Callable[[int, int], None]) -> None:
        """Join labels for the steps from ``first`` to ``last``; nothing can be read any more.

        ``progress`` is told how many steps are done, and of how many.
        """
        with closing(self._store) as store:
            if self.monitor.spec.labels is not None:
                self._join((first, last), progress)
            self.versions = store.versions.all()
            self.combinations = store.combinations.all()
            scoped = {scope.segment for scope in self.ingestion.past_folding.newest}
            self.held = {name: store.segments.held(name) for name in scoped}

    def _join(self, steps: tuple[int, int], progress: Callable[[int, int], None]) -> None:
        assert self.monitor.spec.labels is not None
        wait = int(self.monitor.spec.labels.maxDelay.seconds * MICROSECONDS)
        self.outcomes.join(self.ingestion, self._store, self.grid, steps, wait, progress)
