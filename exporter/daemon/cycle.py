"""One cycle of one model: read, decode, fold, commit, measure."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import duckdb
import numpy as np

from exporter.daemon.clock import ShiftedTimes, TrustedClock
from exporter.daemon.first_references import FirstReferences
from exporter.daemon.snapshots import Snapshots
from exporter.fold.exemplars import Exemplars
from exporter.fold.field_presence import PRESENCE
from exporter.fold.grouping import CycleTime
from exporter.fold.ingestion import Ingestion
from exporter.fold.private_counts import MissingOpenDPError, PrivateCounts
from exporter.fold.schema import GROUP, OUTCOME
from exporter.fold.version_schemas import VersionSchemas
from exporter.measure.exposition import LONGEST_ID, Snapshot
from exporter.records.reshaping import plain, reshapings
from exporter.references.configured import HistoryWindows
from exporter.references.reference import Reference
from exporter.sinks import SinkReader
from exporter.state import Store, StoreError, portable, sent
from exporter.state.counters import CLOCK
from exporter.state.portable import Portable
from exporter.state.sent import Asked, Counted, Sent
from exporter.summary.base import Shape
from exporter.summary.windows import CLOCK_SKEW, MICROSECONDS, Buckets, Window, boundaries
from exporter.tasks import task_of
from mlslo.monitor import Monitor

logger = logging.getLogger(__name__)


def windows_at(monitor: Monitor, history: HistoryWindows, end: int) -> list[Window]:
    """Return the windows that end at ``end`` (epoch µs), and those of history that they are compared with."""
    lengths = {window: int(window.seconds * MICROSECONDS) for window in monitor.spec.windows}
    return [*(Window(name, end - length, end) for name, length in lengths.items()), *history.windows(end)]


class CycleError(Exception):
    """A cycle that did not come to its end, with the reason; what it had not committed is done again by the next."""


class Cycle:
    """The state and the routine of one model."""

    def __init__(self, monitor: Monitor, references: Mapping[str, Reference], store: Store) -> None:
        """Raises InputError where the monitor file and a reference contradict each other."""
        self.monitor = monitor
        self._references = references
        self._store = store
        if monitor.pushed():
            store.outlast_power_loss()
        shapes = reshapings(monitor, store)
        named = monitor
        monitor = plain(monitor)
        task = task_of(monitor.spec, references)
        self._schemas = VersionSchemas(monitor, task, references)
        spec = monitor.spec
        self._history = HistoryWindows(spec.references)
        self._buckets = Buckets([*(window.seconds for window in spec.windows), *self._history.spans])
        self._exemplars: Exemplars | None = None
        if named.spec.predictions.exemplars:
            bounds = np.array([bucket.seconds for bucket in spec.latencyBuckets])
            self._exemplars = Exemplars(bounds, LONGEST_ID)
        self._private: PrivateCounts | None = None
        if spec.privacy is not None:
            try:
                self._private = PrivateCounts(monitor.model, spec, self._schemas.of(""), store)
            except MissingOpenDPError as error:
                raise named.document.error(("spec", "privacy"), str(error), key=True) from None
        self._readers: dict[str, SinkReader] = {}
        self._first: FirstReferences | None = None
        self._shifted = ShiftedTimes(named)
        self._clock = TrustedClock(monitor.model, store.marks.get(CLOCK))
        self._measured: int | None = None
        self._ended: float | None = None
        self._failed = False
        self._prepared = -1
        with ExitStack() as opened:
            self._ingestion = Ingestion(
                monitor,
                task,
                self._schemas,
                store,
                self._buckets,
                shapes,
                named.spec,
                self._exemplars,
                self._private,
            )
            opened.callback(self._release)
            self._snapshots = Snapshots(
                monitor, task, self._schemas, store, self._ingestion.presence, self._exemplars
            )
            for name, log in spec.logs.items():
                self._readers[name] = SinkReader(name, monitor, log.sink, store)
            if any(item.first is not None for item in spec.references.values()):
                self._first = FirstReferences(named, self._schemas, store)
            self._prepare_schemas()
            opened.pop_all()

    def close(self) -> None:
        """Release files, parsers and store."""
        self._release()
        self._store.close()

    def _release(self) -> None:
        self._ingestion.close()
        if self._first is not None:
            self._first.close()
        for reader in self._readers.values():
            reader.close()

    def run(
        self,
        *,
        at: float | None = None,
        as_of: bool = False,
        whole: bool = False,
        final: bool = False,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Snapshot | None:
        """Read all that is new, then measure the windows that end ``at`` (Unix seconds; now, where None).

        ``as_of``: records later than that are left out, for good. ``whole``: predictions of any age waited for their
        labels, as if they had been read when they were logged. ``final``: nobody writes to the logs any more.
        ``stopped`` is asked after each transaction; where it says True the cycle ends there, and there is no snapshot.
        Raises CycleError where the store fails.
        """
        started = time.monotonic()
        cycle = self.time(started, at=at, as_of=as_of, whole=whole, final=final)
        try:
            if self._failed:
                # What was read and not committed must be read again.
                for reader in self._readers.values():
                    reader.reset()
                if self._first is not None:
                    self._first.reset()
            self._failed = True
            with self._store.transaction():
                own = {name: reader.reasons for name, reader in self._readers.items()}
                self._ingestion.counting.start(own)
                if self._private is not None and at is None:
                    # What is released once must not depend on a time that somebody asked for.
                    self._private.start(cycle)
                if at is None:
                    # Of whoever runs once there is no next reading that could trust this one.
                    self._store.marks.put(CLOCK, cycle.now if final else cycle.trusted)
            if self._first is not None:
                self._first.update(cycle, final=final, stopped=stopped)
            self._prepare_schemas()
            snapshot = None
            if self._read(cycle, final=final, stopped=stopped):
                self._ingestion.tidy(cycle)
                if self._private is not None and at is None:
                    self._private.release(cycle, self._buckets.expired(cycle.settled))
                done = cycle.now / MICROSECONDS if as_of else None
                windows = windows_at(self.monitor, self._history, cycle.now)
                snapshot = self._snapshots.take(windows, self._readers, started, done)
        except (StoreError, sqlite3.Error, duckdb.Error, OSError) as error:
            cause = self._store.explained(error) if isinstance(error, sqlite3.Error) else error
            raise CycleError(str(cause)) from cause
        self._failed = False
        if snapshot is not None:
            self._measured = cycle.now
            self._ended = time.time()
        return snapshot

    def tidy(self, cycle: CycleTime) -> None:
        """Do what comes after the last record of a cycle, of one whose records others have read."""
        self._prepare_schemas()
        self._ingestion.tidy(cycle)

    def time(
        self,
        started: float,
        *,
        at: float | None = None,
        as_of: bool = False,
        whole: bool = False,
        final: bool = False,
    ) -> CycleTime:
        """Return the time of a cycle, as ``run`` has it. ``started``: when it was, by the monotonic clock."""
        wall = int(time.time() * MICROSECONDS)
        end = wall if at is None else int(at * MICROSECONDS)
        trusted = end if at is not None else self._clock.read(end, started)
        settled, reached = min(end, trusted), max(end, trusted)
        latest = max(reached, wall) + CLOCK_SKEW
        return CycleTime(
            end,
            latest,
            settled,
            reached,
            cuts=tuple(boundaries(windows_at(self.monitor, self._history, end))) if at is not None else (),
            measured=None if self._measured is None else min(self._measured, end),
            arrived=0 if final else reached,
            known=end if as_of else latest if whole else None,
        )

    def trouble(self) -> Sequence[str]:
        """Return nothing: logs that cannot be read are in the snapshot."""
        return ()

    def portable(self, *, pending: bool = False) -> Portable:
        """Return all that is counted so far; what waits for labels where ``pending``. Raises CycleError."""
        with self._explained():
            return portable.of(self._store, self._shapes(), pending=pending)

    def page(self, asked: Asked) -> Sent:
        """Return the summaries that ``asked`` lacks, or the first of them.

        Raises ValueError where it is nonsense, CycleError where the store fails or there was no good cycle.
        """
        if self._ended is None:
            raise CycleError("no good cycle yet")
        digest = self._schemas.digest(self._buckets, self._ingestion.presence.shape)
        counted = Counted(self.monitor.model, digest, self._shapes(), self._ended)
        with self._explained(), self._store.transaction():
            if self._private is not None:
                # Made of releases alone: nothing that is exact goes into it.
                return self._private.page(counted, asked)
            return sent.page(self._store, counted, asked)

    def _shapes(self) -> tuple[Shape, ...]:
        found = {
            (shape.kind, shape.digest): shape
            for schema in self._schemas.all()
            for shape in schema.shapes.values()
        }
        return (*found.values(), self._ingestion.presence.shape)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (StoreError, sqlite3.Error) as error:
            cause = self._store.explained(error) if isinstance(error, sqlite3.Error) else error
            raise CycleError(str(cause)) from cause

    def _read(self, cycle: CycleTime, *, final: bool, stopped: Callable[[], bool]) -> bool:
        """Predictions first, so that what is joined to them finds them. Returns False where it was stopped."""
        ingestion = self._ingestion
        takes = {
            "predictions": ingestion.predictions,
            "labels": ingestion.labels,
            "skew": ingestion.offline,
        }
        for name, reader in self._readers.items():
            number = 0
            for number, batch in enumerate(reader.batches(final=final, stopped=stopped), start=1):  # noqa: B007
                takes[name](batch, reader, cycle)
            if stopped():
                return False
            if number and not final:
                self._shifted.look(name, time.time(), time.monotonic())
            if name == "predictions" and reader.up:
                self._ingestion.unanswered(reader, cycle)
        return True

    def _prepare_schemas(self) -> None:
        """Find the references of the versions that are known; drop what was counted over other edges."""
        versions = self._store.versions.all()
        self._schemas.refresh(version.name for version in versions.values())
        revision = self._schemas.revision
        if revision == self._prepared:
            return
        with self._store.transaction():
            for number, version in versions.items():
                schema = self._schemas.of(version.name)
                for shape in schema.shapes.values():
                    before = schema.float_sums(shape)
                    if before.digest != shape.digest:
                        self._store.summaries.convert(
                            shape, number, before.digest, before.neutral, before.converted
                        )
                    if dropped := self._store.summaries.drop_other_shapes(shape, number):
                        if shape.kind in (OUTCOME, GROUP):
                            self._store.pending.forget_outcomes(number)
                        logger.warning(
                            "model %s: version '%s': a reference or a feature changed: %d %s buckets counted over "
                            "other edges are dropped; windows fill anew",
                            self.monitor.model,
                            version.name,
                            dropped,
                            shape.kind,
                        )
            self._ingestion.presence.drop_other_fields()
            kinds = [*self._schemas.of("").shapes, PRESENCE]
            if self._store.summaries.drop_other_kinds(kinds) & {OUTCOME, GROUP}:
                self._store.pending.forget_outcomes()
        self._prepared = revision
