"""Replay of a model's logs by Spark: tasks read and join, the driver measures what they counted."""

from __future__ import annotations

import logging
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from exporter.daemon.models import Model
from exporter.fold.grouping import CycleTime
from exporter.records.reshaping import plain
from exporter.replay.outcomes import Outcomes
from exporter.replay.reading import Reading
from exporter.replay.steps import Grid, merge
from exporter.spark.fold import Batches, check_versions, inputs, remarks, rows_of
from exporter.spark.partition import KNOWN_VALUES, Feed, Job, ShippedSchemas
from exporter.spark.parts import Part
from exporter.spark.session import explained
from exporter.state import portable
from exporter.state.portable import BucketKey, Layout, Portable
from exporter.state.summaries import Scope, packed, unpacked
from exporter.summary.base import Shape

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROWS = "kind string, key string, content binary"
_BUCKET, _COUNTED, _ASIDE = "bucket", "counted", "aside"
# Rows of a batch of Arrow: a bucket is some kilobytes.
_AT_ONCE = 256

_Row = tuple[str, str | None, bytes]

logger = logging.getLogger(__name__)


class _PartReading(Reading):
    """The reading of one partition, in a task."""

    def __init__(self, job: Job, grid: Grid) -> None:
        self._feed, self._job = Feed(), job
        self._work = tempfile.TemporaryDirectory(prefix="mlslo-")
        path = Path(self._work.name) / "0.sqlite"
        schemas = ShippedSchemas(plain(job.model.monitor), job)
        super().__init__(job.model, grid, path, schemas=schemas, shapes=self._feed.shapes)
        self._store.segments.most *= KNOWN_VALUES
        # Which predictions a sample holds would depend on the partitions.
        self._store.pending.limit = sys.maxsize

    def close(self) -> None:
        """Release store and parsers."""
        self.ingestion.close()
        self._store.close()
        self._work.cleanup()

    def counted(self, parts: Iterable[Part]) -> Iterator[_Row]:
        """Take ``parts``; yield their buckets, all else that was counted, and what is put aside to be joined."""
        store = self._store
        self._feed.take(parts, self.ingestion, store, self._job.cycle)
        for shape in _shapes(self).values():
            for key, scope in portable.bucket_keys(store, shape, portable.version_names(store)):
                content = packed(*store.summaries.content(shape, scope, key.start))
                yield _BUCKET, msgspec.json.encode(key).decode(), content
        state = Portable(
            versions={version.name: version[1:] for version in store.versions.all().values()},
            sizes=store.segments.sizes(),
            dropped=frozenset(store.segments.dropped()),
        )
        combinations, first = store.combinations.all(), self.ingestion.past.first
        yield _COUNTED, None, pickle.dumps((state, first, self.ingestion.tracks, [*combinations.values()]))
        if self.monitor.spec.labels is not None:
            yield _ASIDE, None, pickle.dumps(self.ingestion.aside)


class SparkReading(Reading):
    """The reading of a model whose logs Spark reads and joins."""

    def __init__(self, spark: SparkSession, model: Model, grid: Grid, path: Path) -> None:
        super().__init__(model, grid, path)
        self._spark = spark

    def read(self, since: int, until: int, latest: int, progress: Callable[[int, int], None]) -> None:
        """Read all records, as one process does. Raises SparkError where a log cannot be read."""
        cycle = CycleTime(until, latest, since, until, known=until)
        with explained(), closing(self.ingestion):
            found = inputs(self.model.monitor, {})
            count = partial(_counted, self.grid)
            self._job, rows, partitions = rows_of(self._spark, self.model, cycle, found, count, ROWS)
            self._rows = _computed(rows)
            self._spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(_AT_ONCE))
            with self._store.transaction():
                self._take_counted()
                self._take_buckets(partitions)
                self.ingestion.past_folding.exchange_segments()
        progress(1, 1)

    def _take_counted(self) -> None:
        """Take versions, values of segments, and all that changes from step to step."""
        store, past = self._store, self.ingestion.past
        self.up = dict.fromkeys(["predictions", "labels"][: 1 + (self.monitor.spec.labels is not None)], True)
        past.start(dict.fromkeys(self.up, ()))
        state = Portable()
        for row in self._of(_COUNTED).toLocalIterator():
            part, first, tracks, combinations = _loaded(row.content)
            merge(self.ingestion.tracks, tracks)
            past.first = min((time for time in (past.first, first) if time is not None), default=None)
            store.combinations.codes(combinations, [0] * len(combinations))
            state = portable.merge([state, part])
        check_versions(len(state.versions))
        for name, (began, seen) in state.versions.items():
            store.versions.number(name, began, seen)
        store.segments.restore(state.sizes, state.dropped)
        self.schemas.refresh(state.versions)
        for remark in remarks(self.monitor, state, left_out=False):
            logger.warning("model %s: %s", self.model.name, remark)

    def _take_buckets(self, partitions: int) -> None:
        """Take the buckets of all partitions, merged by Spark."""
        layouts = {of: Layout.of(shape) for of, shape in _shapes(self).items()}
        numbers = {name: number for number, name in portable.version_names(self._store).items()}
        buckets = self._of(_BUCKET).repartition(partitions, "key").sortWithinPartitions("key")
        merged = _computed(buckets.mapInArrow(partial(_merged, layouts), ROWS))
        for row in merged.toLocalIterator():
            key = msgspec.json.decode(row.key, type=BucketKey)
            content = unpacked(bytes(row.content), layouts[key.kind, key.digest].width)
            scope = Scope(numbers[key.version], key.segment, key.value)
            self._store.summaries.put(key.kind, key.digest, [(scope, key.start, content)])

    def _join(self, steps: tuple[int, int], progress: Callable[[int, int], None]) -> None:
        parts = []
        with explained():
            join = partial(_joined, self._job, self.grid, self.first, steps)
            for row in _computed(self._of(_ASIDE).mapInArrow(join, ROWS)).toLocalIterator():
                outcomes, tracks = _loaded(row.content)
                merge(self.ingestion.tracks, tracks)
                parts.append(outcomes)
        self.outcomes = Outcomes.merged(parts, steps)
        progress(1, 1)

    def _of(self, kind: str) -> DataFrame:
        return self._rows.where(self._rows.kind == kind)


def _computed(frame: DataFrame) -> DataFrame:
    """Compute all partitions at once, and keep them: an iterator has them computed one after the other."""
    kept = frame.persist()
    kept.count()
    return kept


def _counted(grid: Grid, job: Job, parts: Iterable[Part]) -> Batches:
    with closing(_PartReading(job, grid)) as reading:
        yield from _batches(reading.counted(parts))


def _joined(job: Job, grid: Grid, first: int | None, steps: tuple[int, int], rows: Batches) -> Batches:
    """Join what partitions put aside. ``first``: time of the first prediction of all."""
    for content in (content for some in rows for content in some.column("content")):
        with closing(_PartReading(job, grid)) as reading:
            reading.ingestion.aside, reading.ingestion.past.first = _loaded(content.as_buffer()), first
            reading.join(*steps, lambda *_: None)
            found = pickle.dumps((reading.outcomes, reading.ingestion.tracks))
            yield from _batches(iter([(_ASIDE, None, found)]))


def _merged(layouts: Mapping[tuple[str, str], Layout], rows: Batches) -> Batches:
    """Merge the buckets of each key, which come one after another."""

    def merged() -> Iterator[_Row]:
        found = ((row["key"], row["content"]) for some in rows for row in some.to_pylist())
        for text, same in groupby(found, key=itemgetter(0)):
            key = msgspec.json.decode(text, type=BucketKey)
            layout = layouts[key.kind, key.digest]
            contents = [unpacked(content, layout.width) for _, content in same]
            yield _BUCKET, text, packed(*layout.merged(contents))

    yield from _batches(merged())


def _batches(rows: Iterator[_Row]) -> Batches:
    """Yield rows of ROWS."""
    import pyarrow as pa

    types = {"kind": pa.string(), "key": pa.string(), "content": pa.binary()}
    while some := list(islice(rows, _AT_ONCE)):
        columns = zip(zip(*some, strict=True), types.values(), strict=True)
        yield pa.RecordBatch.from_arrays([pa.array(*column) for column in columns], names=list(types))


def _shapes(reading: Reading) -> dict[tuple[str, str], Shape]:
    """Return the shapes of what is counted, by kind and digest."""
    shapes = [shape for schema in reading.schemas.all() for shape in schema.shapes.values()]
    return {(shape.kind, shape.digest): shape for shape in [*shapes, reading.ingestion.presence.shape]}


def _loaded(content: bytes) -> Any:
    return pickle.loads(content)  # noqa: S301 - written by a task of this job, as all that Spark unpickles
