"""Source whose rows are with Spark, in parts of the same rows that one machine would cut."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import duckdb

from exporter.parse import sql
from exporter.references.baseline.source import (
    PART,
    Ordered,
    Part,
    Source,
    database,
    format_of,
    refuse_unusable,
)
from exporter.spark.baseline.files import (
    SLICE,
    Found,
    Shape,
    Split,
    cut,
    first_shape,
    known,
    listed,
    opened,
    read,
    split_lines,
)
from exporter.spark.baseline.lockstep import Lockstep, Request
from exporter.spark.baseline.ranks import Sought, counter
from exporter.spark.session import SparkError, reason
from exporter.summary.base import Codes, Floats
from mlslo.yamlfile import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Batches = Iterator["pa.RecordBatch"]

MOST_VALUES = 100_000
"""Values of one column that are counted each by itself."""

_AT_ONCE = 32
_PARTITIONS_PER_CORE = 4
_ROUNDS = 20
_MANY = 16
_READ = "split int, row long, content binary"
_SLICES = "partition int, part long, place long, content binary"
_ANSWERS = "start long, request int, content binary"


@contextmanager
def open_source(spark: SparkSession, urls: Sequence[str]) -> Iterator[tuple[SparkSource, float]]:
    """Yield the source of all ``urls`` (files or folders), and when the last of them was written.

    Raises InputError where they cannot be read as one machine would have, SparkError where Spark fails.
    """
    # Rows are slices of many megabytes.
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "8")
    parts = None
    try:
        splits, written = listed(urls)
        kind = _format(splits)
        if kind == "json":
            splits = list(split_lines(splits))
        shape, rows, found = _agreed(spark, splits, kind)
        starts = [0, *accumulate(item.rows for item in found)]
        parts = _parts(spark, rows, starts).persist(_level())
        first = parts.where("part = 0").orderBy("place").limit(1).collect()
        rows.unpersist()
        with database() as connection:
            columns = ", ".join(f"{sql.name(name)} {type_}" for name, type_ in shape.columns)
            connection.execute(f"CREATE TABLE source ({columns})")
            if first:
                connection.register("slice", opened([bytes(first[0].content)]))
                connection.execute("INSERT INTO source SELECT * FROM slice")
            source = SparkSource(connection, shape, parts, starts[-1], sum(item.malformed for item in found))
            refuse_unusable(source, Path(urls[0]))
            yield source, written
    except Exception as error:
        if type(error).__module__.startswith(("pyspark", "py4j")):
            raise SparkError(reason(error)) from None
        raise
    finally:
        if parts is not None:
            parts.unpersist()


def _format(files: Sequence[Split]) -> str:
    kind = format_of([Path(file.name) for file in files])
    if kind == "csv":
        message = "Spark reads references from JSONL and Parquet; expected one of these, or --engine local"
        raise InputError.of_file(Path(files[0].url), message)
    return kind


class SparkSource(Source):
    """``sample``: the first rows, from which expressions have their types."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        shape: Shape,
        parts: DataFrame,
        rows: int,
        malformed: int,
    ) -> None:
        super().__init__(connection, shape.kind)
        self.sample = Source(connection, shape.kind)
        self.rows, self.malformed = rows, malformed
        self._columns = shape.columns
        self._rows_of_parts = parts
        self._definitions: dict[str, tuple[str, ...]] = {}
        self._lockstep = Lockstep(self._answers)

    def define(self, name: str, values: Sequence[str]) -> str:
        self._definitions[name] = tuple(values)
        return super().define(name, values)

    def fold(self, function: Callable[[Part], Answer]) -> Answer:
        found: Answer = self._lockstep.ask(Request(function, in_order=True))
        return found

    def tally(self, function: Callable[[Part], Answer]) -> Answer:
        found: Answer = self._lockstep.ask(Request(function))
        return found

    def aggregate(self, *expressions: str) -> tuple[Any, ...]:
        text = f"SELECT {', '.join(expressions)} FROM source"
        merges = [_MERGES[expression.partition("(")[0]] for expression in expressions]

        def of_part(part: Part) -> tuple[Any, ...]:
            found: tuple[Any, ...] = part.query(text)[0]
            return found

        def merge(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(
                other if one is None else one if other is None else both(one, other)
                for both, one, other in zip(merges, first, second, strict=True)
            )

        found: tuple[Any, ...] = self._lockstep.ask(Request(of_part, merge))
        return found

    def counts(self, value: str, most: int) -> list[tuple[Any, int]] | None:
        found = self._lockstep.ask(Request(_counts(value), _added))
        if found is None:
            return None
        return sorted(found.items(), key=lambda item: (-item[1], item[0] is None, item[0]))[:most]

    def distinct(self, value: str) -> int:
        """Return how many different values an expression has; one more than ``MOST_VALUES`` where it has more."""
        found = self._lockstep.ask(Request(_counts(value), _added))
        return MOST_VALUES + 1 if found is None else len(found.keys() - {None})

    def order(
        self, function: Callable[[Part], Mapping[str, Floats]], ranks: Callable[[int], Codes]
    ) -> dict[str, Ordered]:
        found = self.tally(counter(function, None))
        sought = {name: Sought() for name in found if name != "totals"}
        totals: dict[str, float] = {}
        for _, name, total in sorted(found["totals"], key=lambda item: item[0]):
            # In the order of the parts, as one machine adds them up.
            totals[name] = totals[name] + total if name in totals else total
        waiting = sought
        while True:
            for name, item in waiting.items():
                item.narrow(found[name]["counts"], found[name]["few"], ranks)
            waiting = {name: item for name, item in sought.items() if item.keys is None}
            if not waiting:
                break
            found = self.tally(counter(function, waiting))
        return {name: item.ordered(totals[name]) for name, item in sought.items()}

    def together(self, function: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
        several = list(items)
        for start in range(0, len(several), _AT_ONCE):
            yield from self._lockstep.run(function, several[start : start + _AT_ONCE])

    def blocks(self, requested: Mapping[str, str], size: int) -> Iterator[dict[str, Any]]:
        raise NotImplementedError("the rows are with Spark")

    def _answers(self, requests: Sequence[Request]) -> list[Any]:
        """Ask all parts at once; merge what each task found, and what the tasks found."""
        work = _Work(PART, self._columns, dict(self._definitions), tuple(requests))
        rows = self._rows_of_parts.mapInArrow(partial(_work, work), _ANSWERS)
        # Many are read one by one, but worked out all at once.
        many = -(-self.rows // PART) > _MANY
        if many:
            rows.persist(_level()).count()
        try:
            found: dict[int, Any] = {}
            for row in rows.toLocalIterator() if many else rows.collect():
                answer = _answer(bytes(row.content))
                number = row.request
                merge = requests[number].merge
                found[number] = merge(found[number], answer) if number in found else answer
            return [found[number] for number in range(len(requests))]
        finally:
            if many:
                rows.unpersist()


_MERGES: dict[str, Callable[[Any, Any], Any]] = {
    "count": lambda one, other: one + other,
    "sum": lambda one, other: one + other,
    "min": min,
    "max": max,
}


def _counts(value: str) -> Callable[[Part], dict[Any, int] | None]:
    text = f"SELECT {value} AS value, count(*) FROM source GROUP BY 1 LIMIT {MOST_VALUES + 2}"

    def of_part(part: Part) -> dict[Any, int] | None:
        return _few(dict(part.query(text)))

    return of_part


def _few(counts: dict[Any, int]) -> dict[Any, int] | None:
    return counts if len(counts) <= MOST_VALUES + 1 else None


def _added(first: dict[Any, int] | None, second: dict[Any, int] | None) -> dict[Any, int] | None:
    if first is None or second is None:
        return None
    for value, number in second.items():
        first[value] = first.get(value, 0) + number
    return _few(first)


class _Work(NamedTuple):
    """Work of a task on its parts, of ``size`` rows. ``definitions``: enumerations by name."""

    size: int
    columns: tuple[tuple[str, str], ...]
    definitions: Mapping[str, tuple[str, ...]]
    requests: tuple[Request, ...]


def _work(work: _Work, batches: Batches) -> Batches:
    found: dict[int, Any] = {}
    start = 0
    with duckdb.connect() as connection:
        # One thread, so that rows keep their order; tasks run beside each other.
        connection.execute("SET threads = 1")
        connection.execute("SET TimeZone = 'UTC'")
        for name, values in work.definitions.items():
            members = ", ".join(map(sql.text, values))
            connection.execute(f"CREATE TYPE {sql.name(name)} AS ENUM ({members})")
        select = ", ".join(f"{sql.name(name)}::{type_} AS {sql.name(name)}" for name, type_ in work.columns)
        rows = (row for batch in batches for row in batch.to_pylist())
        for number, some in groupby(rows, key=lambda row: row["part"]):
            start = number * work.size
            table = opened([row["content"] for row in some])
            connection.register("slice", table)
            # A table: of an object in Arrow, each expression would have all members read.
            connection.execute(f"CREATE OR REPLACE TABLE source AS SELECT {select} FROM slice")
            connection.unregister("slice")
            part = Part(connection, start, table.num_rows)
            del table
            for place, request in enumerate(work.requests):
                answer = request.function(part)
                if request.in_order:
                    yield _row(start, place, answer)
                else:
                    found[place] = request.merge(found[place], answer) if place in found else answer
    for place, answer in found.items():
        yield _row(start, place, answer)


def _row(start: int, place: int, answer: Any) -> pa.RecordBatch:
    import pyarrow as pa

    answered = pickle.dumps(answer, protocol=5)
    content = len(answered).to_bytes(8) + pa.compress(answered, "zstd", asbytes=True)
    return _binary((start, place), content, _ANSWERS)


def _binary(numbers: Sequence[int], content: bytes, schema: str) -> pa.RecordBatch:
    """Return a row of ``schema``: numbers, and bytes."""
    import pyarrow as pa

    types = {"int": pa.int32(), "long": pa.int64(), "binary": pa.binary()}
    names = [column.split() for column in schema.split(", ")]
    columns = [
        pa.array([value], types[type_]) for value, (_, type_) in zip((*numbers, content), names, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=[name for name, _ in names])


def _answer(content: bytes) -> Any:
    import pyarrow as pa

    size = int.from_bytes(content[:8])
    return pickle.loads(pa.decompress(content[8:], size, "zstd", asbytes=True))  # noqa: S301  of our own tasks


def _agreed(spark: SparkSession, splits: Sequence[Split], kind: str) -> tuple[Shape, DataFrame, list[Found]]:
    """Read all splits until they agree how they are read, all of them as they would be together."""
    shape = first_shape(splits[0], kind)
    for _ in range(_ROUNDS):
        witnesses, digest = 0, ""
        if shape.witnesses:
            shape, witnesses, digest = known(shape)
        rows = _rows(spark, splits, shape, witnesses).persist(_level())
        told = sorted((row.split, bytes(row.content)) for row in rows.where("row < 0").collect())
        found: list[Found] = [pickle.loads(content) for _, content in told]  # noqa: S301  of our own tasks
        if kind == "parquet":
            shape = shape._replace(columns=found[0].columns)
        other = next((place for place, item in enumerate(found) if item.columns != shape.columns), None)
        if other is None:
            if digest and any(item.digest != digest for item in found):
                break
            return shape, rows, found
        rows.unpersist()
        if kind == "parquet":
            message = (
                f"has other columns than {splits[0].url}; write all files with the same columns and types"
            )
            raise InputError.of_file(Path(splits[other].url), message)
        telling = [
            (split.number, f"{split.start}-{split.name}", item.lines)
            for split, item in zip(splits, found, strict=True)
            if item.lines
        ]
        if not telling:
            break
        shape = shape._replace(witnesses=(*shape.witnesses, *telling))
    message = (
        "parts of the data are not read as all of it would be; write it as Parquet, or use --engine local"
    )
    raise InputError.of_file(Path(splits[0].url), message)


def _rows(spark: SparkSession, splits: Sequence[Split], shape: Shape, witnesses: int) -> DataFrame:
    def tell(batches: Batches) -> Batches:
        for batch in batches:
            for number in batch.column("id").to_pylist():
                for row, found in read(splits[number], shape, witnesses):
                    content = found if isinstance(found, bytes) else pickle.dumps(found)
                    yield _binary((number, row), content, _READ)

    return spark.range(0, len(splits), 1, len(splits)).mapInArrow(tell, _READ)


def _parts(spark: SparkSession, rows: DataFrame, starts: Sequence[int]) -> DataFrame:
    """Return slices of the rows, those of a part together and in their order. ``starts``: rows before each split."""
    number = max(1, -(-starts[-1] // PART))
    size = PART
    partitions = min(number, _PARTITIONS_PER_CORE * spark.sparkContext.defaultParallelism)

    def place(batches: Batches) -> Batches:
        for row in (row for batch in batches for row in batch.to_pylist()):
            first = starts[row["split"]] + row["row"]
            end = min(first + SLICE, starts[row["split"] + 1])
            for place, content in cut(row["content"], first, end, size):
                part = place // size
                yield _binary((part * partitions // number, part, place), content, _SLICES)

    from pyspark.sql import functions

    cuts = rows.where("row >= 0").mapInArrow(place, _SLICES)
    together: Any = cuts.repartitionById(partitions, functions.col("partition"))
    found: DataFrame = together.sortWithinPartitions("place")
    return found


def _level() -> Any:
    from pyspark import StorageLevel

    return StorageLevel.DISK_ONLY
