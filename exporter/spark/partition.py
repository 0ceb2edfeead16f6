"""Fold of one partition: the exporter's own ingestion over a store in memory, and what that has counted, as bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from exporter.daemon.models import Model
from exporter.fold.grouping import CycleTime
from exporter.fold.ingestion import Ingestion
from exporter.fold.version_schemas import VersionSchemas
from exporter.parse.json_lines import Buffer
from exporter.parse.typed_rows import TypedRows
from exporter.records.reshaping import Reshaped, Reshaping, plain
from exporter.references.configured import HistoryWindows, path_of_version
from exporter.references.reference import Reference
from exporter.references.reference_file import parse
from exporter.sinks import Batch, SinkReader
from exporter.spark.parts import Part
from exporter.state import Store, portable
from exporter.state.portable import Portable, Waiting
from exporter.state.portable_bytes import to_bytes
from exporter.summary.windows import MICROSECONDS, Buckets
from exporter.tasks import task_of
from mlslo.monitor import Monitor

if TYPE_CHECKING:
    import pyarrow

STATE, WAITING, POSITIONS, DELIVERED = "state", "waiting", "positions", "delivered"
"""Kinds of rows that a partition gives; the first of them is merged in the cluster."""
ROWS = "kind string, content binary"
KNOWN_VALUES = 10
"""Times as many values of a segment as are shown in the end, where the largest of all partitions stay."""

_MOST_WAITING = 50_000


@dataclass(frozen=True)
class Job:
    """All that a partition needs to know. ``references``: text of each reference file of a version, by its path.

    ``partitions``: how many share the limits of the state.
    """

    model: Model
    cycle: CycleTime
    references: Mapping[Path, bytes]
    partitions: int


Fold = Callable[[Job, Iterable[Part]], Iterator["pyarrow.RecordBatch"]]
"""Folds the parts of one partition, and yields rows."""


class ShippedSchemas(VersionSchemas):
    """Schemas of versions whose reference files came with the job: a task need not see the driver's disk."""

    def __init__(self, monitor: Monitor, job: Job) -> None:
        task = task_of(monitor.spec, job.model.references)
        super().__init__(monitor, task, job.model.references)
        self._shipped = dict(job.references)

    def _new_reference(self, name: str, version: str) -> Reference | None:
        path = path_of_version(self._monitor, name, version)
        content = None if path is None else self._shipped.pop(path, None)
        return None if content is None or path is None else parse(content.decode(), path)


class _Passing(Reshaping):
    """Hands on records that are plain already, with what was counted when they became so."""

    def __init__(self) -> None:
        self.part: Part

    @property
    def joins(self) -> bool:
        return False

    def portions(self, lines: Buffer | TypedRows, *_: object, **__: object) -> Iterator[Reshaped]:
        account = self.part.account
        yield Reshaped(lines, lambda: b"", Counter(account.rejected), account.records)


class _Reader(SinkReader):
    """Stands for the reader of a sink whose records come in parts."""

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self._store = store


class Feed:
    """Hands parts to an ingestion whose records become plain by ``shapes``."""

    def __init__(self) -> None:
        self.shapes = {"predictions": _Passing(), "labels": _Passing()}

    def take(self, parts: Iterable[Part], ingestion: Ingestion, store: Store, cycle: CycleTime) -> None:
        """Take parts, the predictions before the labels; each when it comes, for its lines are valid until the next."""
        takes = {"predictions": ingestion.predictions, "labels": ingestion.labels}
        for part in parts:
            self.shapes[part.sink].part = part
            account = part.account
            batch = Batch(memoryview(part.lines), 0, account.positions, account.passed_over)
            takes[part.sink](batch, _Reader(part.sink, store), cycle)


class Partition:
    """The fold of one partition."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._store = store = Store()
        monitor = plain(job.model.monitor)
        spec = monitor.spec
        self._schemas = ShippedSchemas(monitor, job)
        spans = [*(window.seconds for window in spec.windows), *HistoryWindows(spec.references).spans]
        self._feed = Feed()
        self._ingestion = Ingestion(
            monitor,
            task_of(spec, job.model.references),
            self._schemas,
            store,
            Buckets(spans),
            self._feed.shapes,
            job.model.monitor.spec,
        )
        store.segments.most *= KNOWN_VALUES
        self._sinks = ["predictions", "labels"][: 1 + (spec.labels is not None)]
        with store.transaction():
            self._ingestion.counting.start(dict.fromkeys(self._sinks, ()))

    def close(self) -> None:
        """Release store and parsers."""
        self._ingestion.close()
        self._store.close()

    def take(self, parts: Iterable[Part]) -> None:
        """Fold parts, the predictions before the labels."""
        self._feed.take(parts, self._ingestion, self._store, self._job.cycle)

    def rows(self) -> Iterator[tuple[str, bytes]]:
        """Yield what was counted, what waits for labels, positions, and records remembered to be told twice."""
        store, spec = self._store, self._job.model.monitor.spec
        if spec.labels is not None:
            wait = int(spec.labels.maxDelay.seconds * MICROSECONDS)
            store.pending.expire(self._job.cycle.settled - wait)
        shapes = [shape for schema in self._schemas.all() for shape in schema.shapes.values()]
        found = portable.of(store, [*shapes, self._ingestion.presence.shape])
        yield STATE, to_bytes(found)
        for waiting in waiting_parts(portable.waiting(store)):
            # Versions are named in what is written, so they are part of it.
            yield WAITING, to_bytes(Portable(versions=found.versions, waiting=waiting))
        for name in self._sinks:
            if positions := store.positions.load(name):
                yield POSITIONS, msgspec.json.encode((name, positions))
        blocks = store.delivered.newest(1 + 2 * store.delivered.limit // self._job.partitions)
        if blocks:
            yield DELIVERED, msgspec.json.encode(blocks)


def waiting_parts(waiting: Waiting) -> Iterator[Waiting]:
    """Yield ``waiting`` in parts of some ten megabytes."""
    predictions, early = iter(waiting.predictions.items()), iter(waiting.early.items())
    left_out = waiting.left_out
    while True:
        part = Waiting(dict(islice(predictions, _MOST_WAITING)), dict(islice(early, _MOST_WAITING)), left_out)
        if not (part.predictions or part.early or part.left_out):
            return
        yield part
        left_out = {}


def folded(job: Job, parts: Iterable[Part]) -> Iterator[pyarrow.RecordBatch]:
    """Fold ``parts``, and yield rows of ROWS."""
    import pyarrow as pa

    with closing(Partition(job)) as partition:
        partition.take(parts)
        for kind, content in partition.rows():
            yield pa.RecordBatch.from_arrays(
                [pa.array([kind]), pa.array([content], type=pa.binary())], names=["kind", "content"]
            )
