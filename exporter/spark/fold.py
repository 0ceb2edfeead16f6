"""Fold of both logs of a model by Spark, into a state file that an exporter goes on from."""

from __future__ import annotations

import glob
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from exporter.daemon.models import Model
from exporter.fold.grouping import CycleTime
from exporter.fold.ingestion import MOST_VERSIONS
from exporter.references.configured import VERSION, of_versions
from exporter.sinks import Batch, SinkError
from exporter.sinks.files import TrackedFile
from exporter.sinks.positions import Position
from exporter.spark.partition import POSITIONS, ROWS, STATE, WAITING, Fold, Job, folded
from exporter.spark.parts import SCHEMA, Shaper, Splitter, combined, of_files, of_lines, of_pieces, part_of
from exporter.spark.pieces import MOST_TASKS, Piece, PlannedSink, grouped
from exporter.spark.session import SparkError, explained
from exporter.state import Store, portable
from exporter.state.portable import Portable, Waiting
from exporter.state.portable_bytes import from_bytes, to_bytes
from mlslo.monitor import Monitor

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import DataFrame, SparkSession

FAN_IN = 8
"""Partial results that one task merges, and the driver in the end."""

_MOST_PARTIAL = 2 << 30
_PARTITION = 256 << 20

Batches = Iterator["pyarrow.RecordBatch"]
Read = Callable[[Batches], Iterator[tuple[str, str, Batch]]]
"""Makes batches of both sinks, each with its place in the order of reading, of a task's rows."""


class Inputs(NamedTuple):
    """Input of a fold, of both logs. ``pieces``: of files. ``urls``: (sink, URL) of what Spark reads by itself.

    ``positions``: by sink, in the files that the driver went through.
    """

    pieces: Sequence[Piece]
    urls: Sequence[tuple[str, str]]
    positions: Mapping[str, Mapping[str, str]]


def refuse_whole(monitor: Monitor) -> str | None:
    """Return why a model's logs cannot be folded in parts; None where they can."""
    spec = monitor.spec
    if spec.predictions.join is not None:
        return "'predictions.join' pairs requests with responses before they have an id"
    for name, item in spec.references.items():
        if item.first is not None:
            return f"reference '{name}' is built of the first records, in their order; build it with baseline"
    return None


def check_versions(number: float) -> None:
    """Raise SparkError where there are more versions than have series; those of a partition share one name more."""
    if number > MOST_VERSIONS:
        raise SparkError(
            f"more than {MOST_VERSIONS} versions: which ones have series depends on the order of reading; take "
            "a shorter period, or --engine local"
        )


def inputs(monitor: Monitor, urls: Mapping[str, Sequence[str]]) -> Inputs:
    """Find what to read: the files of the monitor's sinks; of a sink with ``urls`` those.

    Raises SparkError where a sink has no files, or one cannot be read.
    """
    logs = {"predictions": monitor.spec.predictions, "labels": monitor.spec.labels}
    pieces: list[Piece] = []
    positions: dict[str, Mapping[str, str]] = {}
    for name, log in logs.items():
        if log is None or name in urls:
            continue
        if log.sink.file is None or log.sink.is_standard_input:
            raise SparkError(f"{name}: Spark reads files; expected a file sink, or --data of fold")
        try:
            with closing(PlannedSink.open(monitor, log.sink.file, {})) as sink:
                found, positions[name] = sink.collect(name)
        except SinkError as error:
            raise SparkError(f"{name}: {error}") from None
        pieces += found
    return Inputs(pieces, [(name, url) for name, some in urls.items() for url in some], positions)


def fold(
    spark: SparkSession,
    model: Model,
    found: Inputs,
    path: Path,
    at: float,
    *,
    as_of: bool,
) -> list[str]:
    """Fold all of ``found`` as of ``at`` (Unix seconds) into a new state file at ``path``; returns remarks.

    ``as_of``: what is later is left out. Raises SparkError where it cannot be done,
    StoreError where the file cannot be written.
    """
    with closing(Store()) as store, closing(model.cycle(store)) as cycle:
        when = cycle.time(time.monotonic(), at=at, as_of=as_of, whole=not as_of, final=True)
    with explained():
        _, rows, partitions = rows_of(spark, model, when, found, folded, ROWS)
        rows = rows.persist()
        try:
            state = _reduced(rows.where(rows.kind == STATE).select("content"), partitions)
            others = rows.where(rows.kind != STATE).toLocalIterator()
            return _write(model, path, when, state, others, found.positions)
        finally:
            rows.unpersist()


def rows_of(
    spark: SparkSession, model: Model, when: CycleTime, found: Inputs, fold: Fold, schema: str
) -> tuple[Job, DataFrame, int]:
    """Return the job, rows of ``schema`` that ``fold`` makes of all of ``found``, and of how many partitions.

    All records of one id are in one partition; those without are folded where they are read.
    """
    by_id = model.monitor.spec.predictions.fields.id is not None
    cores = spark.sparkContext.defaultParallelism
    size = sum(piece.size for piece in found.pieces)
    partitions = max(cores, -(-size // max(_PARTITION, size // MOST_TASKS)))
    if found.urls:
        partitions = max(partitions, int(spark.conf.get("spark.sql.shuffle.partitions") or 0))
    job = Job(model, when, _references(model.monitor), partitions if by_id else 1)
    # Rows are lines, or blocks of them, of which ten thousand at once would be gigabytes.
    spark.conf.set("spark.sql.execution.arrow.maxBytesPerBatch", str(64 << 20))
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1000" if found.urls else "16")
    sources = list(_sources(spark, model.monitor, found, cores))
    if by_id:
        split = [source.mapInArrow(partial(_split, job, read), SCHEMA) for source, read in sources]
        rows = _together(split, partitions).mapInArrow(partial(_fold_rows, job, fold), schema)
        return job, rows, partitions
    split = [source.mapInArrow(partial(_fold_batches, job, fold, read), schema) for source, read in sources]
    return job, _union(split), sum(source.rdd.getNumPartitions() for source, _ in sources)


def _sources(
    spark: SparkSession, monitor: Monitor, found: Inputs, cores: int
) -> Iterator[tuple[DataFrame, Read]]:
    """Yield frames, and what makes batches of their rows."""
    from pyspark.sql import functions

    pieces = grouped(found.pieces, cores)
    if pieces or not found.urls:
        yield spark.range(0, len(pieces), 1, max(1, len(pieces))), partial(_of_pieces, pieces)
    logs = {"predictions": monitor.spec.predictions, "labels": monitor.spec.labels}
    for sink, url in found.urls:
        log = logs[sink]
        format_ = log.sink.file.format if log is not None and log.sink.file is not None else None
        file = TrackedFile(url, format_)
        if file.is_plain and file.format == "jsonl":
            lines = spark.read.option("lineSep", "\n").text(url)
            yield (
                lines.select(
                    functions.col("value").cast("binary"),
                    functions.col("_metadata.file_path").alias("path"),
                    functions.col("_metadata.file_block_start").alias("start"),
                ),
                partial(of_lines, sink),
            )
        else:
            files = spark.read.format("binaryFile").load(url)
            yield files.select("path", "content"), partial(of_files, sink, format_)


def _of_pieces(pieces: Sequence[Piece], rows: Batches) -> Iterator[tuple[str, str, Batch]]:
    return of_pieces((number, pieces[number]) for some in rows for number in some.column("id").to_pylist())


def _split(job: Job, read: Read, rows: Batches) -> Batches:
    monitor = job.model.monitor
    with (
        closing(Shaper(monitor, job.cycle)) as shaper,
        closing(Splitter(monitor, job.partitions)) as splitter,
    ):
        yield from splitter.rows(shaper.parts(read(rows)))


def _fold_rows(job: Job, fold: Fold, rows: Batches) -> Batches:
    yield from fold(job, combined(part_of(row) for some in rows for row in some.to_pylist()))


def _fold_batches(job: Job, fold: Fold, read: Read, rows: Batches) -> Batches:
    with closing(Shaper(job.model.monitor, job.cycle)) as shaper:
        yield from fold(job, shaper.parts(read(rows)))


def _together(frames: Sequence[DataFrame], partitions: int) -> DataFrame:
    """Return rows with those of one target in one partition, the predictions first, as the sinks would have read."""
    from pyspark.sql import functions

    shuffled: Any = _union(frames).repartitionById(partitions, functions.col("target"))
    found: DataFrame = shuffled.sortWithinPartitions(functions.col("sink").desc(), "seq")
    return found


def _union(frames: Sequence[DataFrame]) -> DataFrame:
    return reduce(lambda one, other: one.union(other), frames)


def _reduced(states: DataFrame, number: int) -> Portable:
    """Merge partial results in the cluster until few are left, then here."""
    while number > FAN_IN:
        number = -(-number // FAN_IN)
        states = states.repartition(number).mapInArrow(_merge, "content binary")
    # All at once: an iterator would have the partitions computed one after the other.
    return _merged(from_bytes(bytes(row.content), _MOST_PARTIAL) for row in states.collect())


def _merge(rows: Batches) -> Batches:
    import pyarrow as pa

    contents = (content.as_buffer() for some in rows for content in some.column("content"))
    merged = _merged(from_bytes(bytes(content), _MOST_PARTIAL) for content in contents)
    yield pa.RecordBatch.from_arrays([pa.array([to_bytes(merged)], type=pa.binary())], names=["content"])


def _merged(parts: Iterable[Portable]) -> Portable:
    """Merge ``parts`` one by one: two are in memory at a time."""
    return reduce(lambda one, other: portable.merge([one, other]), parts, Portable())


def _write(
    model: Model,
    path: Path,
    when: CycleTime,
    state: Portable,
    others: Iterable[tuple[str, bytes]],
    positions: Mapping[str, Mapping[str, str]],
) -> list[str]:
    """Write the state file, and return remarks."""
    dropped = state.counters.get(("ml_series_dropped_total", ("too_many_versions",)), 0)
    check_versions(len(state.versions) + dropped)
    kept = {name: dict(of_sink) for name, of_sink in positions.items()}
    blocks: list[tuple[int, int, bytes]] = []
    left_out = False
    # First: values of segments fade as the monitor file has it.
    with closing(Store(path)) as store, closing(model.cycle(store)) as cycle:
        with store.transaction():
            portable.restore(state, store)
        for kind, content in others:
            if kind == WAITING:
                waiting = from_bytes(bytes(content), _MOST_PARTIAL).waiting or Waiting()
                left_out |= bool(waiting.left_out)
                with store.transaction():
                    portable.restore_waiting(waiting, store)
            elif kind == POSITIONS:
                name, read = msgspec.json.decode(bytes(content), type=tuple[str, dict[str, str]])
                if name in kept:
                    _put_further(kept[name], read)
            else:
                blocks += msgspec.json.decode(bytes(content), type=list[tuple[int, int, bytes]])
        with store.transaction():
            store.delivered.restore(blocks)
            for name, of_sink in kept.items():
                store.positions.save(name, of_sink)
        cycle.tidy(when)
        left_out |= store.pending.waiting() > store.pending.limit
    return list(remarks(model.monitor, state, left_out=left_out))


def _put_further(positions: dict[str, str], read: Mapping[str, str]) -> None:
    """Take over the positions that are further on than those that are known."""
    for key, text in read.items():
        known = positions.get(key)
        if known is None or Position.restored(known).offset < Position.restored(text).offset:
            positions[key] = text


def remarks(monitor: Monitor, state: Portable, *, left_out: bool) -> Iterator[str]:
    """Yield what differs from the fold of one exporter. ``left_out``: whether predictions that wait were."""
    most = monitor.spec.maxSegmentValues
    for name, number in Counter(segment for segment, _ in state.sizes).items():
        if number > most:
            yield (
                f"segment '{name}' has more than {most} values (maxSegmentValues): the largest of the whole period are "
                "counted by themselves, where one exporter begins with those that come first"
            )
    if left_out:
        yield (
            "more predictions wait for labels than maxPending: a sample of them is kept, which may be another one than "
            "that of one exporter"
        )


def _references(monitor: Monitor) -> dict[Path, bytes]:
    """Return the reference files of all versions, by path."""
    found = {}
    for name in of_versions(monitor):
        before, _, after = str(monitor.resolve(monitor.spec.references[name].static or "")).partition(VERSION)
        for path in map(Path, glob.glob(f"{glob.escape(before)}*{glob.escape(after)}")):  # noqa: PTH207
            found[path] = path.read_bytes()
    return found
