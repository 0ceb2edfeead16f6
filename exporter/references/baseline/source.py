"""Data of a baseline, as a table that is read a block of rows at a time."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import duckdb
import numpy as np

from exporter.features.kind import Column as Values
from exporter.parse import json_text, sql
from exporter.sinks.rows import MISSING, separator
from exporter.summary.base import Codes, Floats
from mlslo.yamlfile import InputError

_READERS = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
}
_COMPRESSED = (".gz", ".zst")
_MEMORY = "1GB"
_LONGEST_HEADER = 1 << 20
LEADING_ZEROS = "-?0[0-9]+"
"""Text of a code, such as a zip code: as a number it would lose its zeros."""


PART = 1 << 19
"""Rows of a part, but of the last: sums are rounded part by part, so that they are the same on every engine."""

Item = TypeVar("Item")
Found = TypeVar("Found")


class Part:
    """Consecutive rows of the data. ``start``: rows before them. ``rows``: of them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, start: int, rows: int, first: int = 0) -> None:
        """``first``: the rowid of the first row in the table ``source``."""
        self._connection = connection
        self.start, self.rows = start, rows
        self._first = first
        self._kept: dict[str, Codes] = {}

    def blocks(self, requested: Mapping[str, str], size: int = PART) -> Iterator[dict[str, Values]]:
        """Yield alias -> values, of ``size`` rows at a time, in their order."""
        select = ", ".join(f"{expression} AS {sql.name(alias)}" for alias, expression in requested.items())
        end = self._first + self.rows
        for first in range(self._first, end, size):
            where = f"rowid >= {first} AND rowid < {min(first + size, end)}"
            yield self._connection.execute(f"SELECT {select} FROM source WHERE {where}").fetchnumpy()

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query over the table ``source``, where that holds this part only."""
        return self._connection.execute(text).fetchall()

    def kept(self, name: str, work_out: Callable[[Part], Codes]) -> Codes:
        """Return a number of each row that many ask for: worked out once, and kept in 16 bits."""
        if name not in self._kept:
            self._kept[name] = work_out(self).astype(np.int16)
        return self._kept[name].astype(np.intp)


class Ordered(NamedTuple):
    """Finite values in ascending order. ``number``: of them. ``total``: their sum. ``values``: those at the ranks."""

    number: int
    total: float
    values: Floats


def merged(first: Any, second: Any) -> Any:
    """Return the sum of what was found of two parts; of dictionaries that of each key."""
    if isinstance(first, dict):
        return {key: merged(value, second[key]) for key, value in first.items()}
    return first + second


class Source:
    """A table in a database on disk of its own: what does not fit into a gigabyte of memory stays there.

    ``format``: json, csv or parquet. ``columns``: name -> type. ``rows``: of them. ``malformed``: records that are
    none, and not among the rows. ``sample``: rows to look at for what is odd.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, format_: str) -> None:
        self._connection = connection
        self.format = format_
        self._types = count()
        self.columns = {str(column): str(type_) for column, type_, *_ in self.query("DESCRIBE source")}
        self.malformed = drop_malformed(connection, self.columns)
        ((self.rows,),) = self.query("SELECT count(*) FROM source")
        self.sample: Source = self
        self._parts = [
            Part(connection, start, min(PART, self.rows - start), start)
            for start in range(0, self.rows, PART)
        ]

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query over the table ``source``."""
        return self._connection.execute(text).fetchall()

    def aggregate(self, *expressions: str) -> tuple[Any, ...]:
        """Return what each expression, of ``count``, ``sum``, ``min`` or ``max``, is over all rows."""
        (found,) = self.query(f"SELECT {', '.join(expressions)} FROM source")
        return found

    def counts(self, value: str, most: int) -> list[tuple[Any, int]] | None:
        """Return the ``most`` most frequent of the values of an expression, with their numbers; None is one of them.

        None where there are more values than can be counted.
        """
        found = self.query(
            f"SELECT {value} AS value, count(*) AS number FROM source GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}"
        )
        return [(value, int(number)) for value, number in found]

    def distinct(self, value: str) -> int:
        """Return how many different values an expression has."""
        ((found,),) = self.query(f"SELECT count(DISTINCT {value}) FROM source")
        return int(found)

    def fold(self, function: Callable[[Part], Found]) -> Found:
        """Return the sum of what ``function`` finds in each part, in the order of the parts.

        ``function``, here and below, may be called on another machine: what it refers to travels with it.
        """
        return reduce(merged, map(function, self._parts))

    def tally(self, function: Callable[[Part], Found]) -> Found:
        """``fold`` of whole numbers, whose sum is the same in any order."""
        return self.fold(function)

    def order(
        self, function: Callable[[Part], Mapping[str, Floats]], ranks: Callable[[int], Codes]
    ) -> dict[str, Ordered]:
        """Return finite values of each array that ``function`` reads, at the ranks that follow from their number."""
        parts: dict[str, list[Floats]] = {}
        totals: dict[str, float] = {}
        for part in self._parts:
            for name, values in function(part).items():
                finite = finite_values(values)
                parts.setdefault(name, []).append(finite)
                with np.errstate(over="ignore", invalid="ignore"):
                    totals[name] = (
                        totals[name] + float(finite.sum()) if name in totals else float(finite.sum())
                    )
        found = {}
        for name in totals:
            values = np.concatenate(parts.pop(name))
            values.sort()
            at = ranks(len(values)) if len(values) else np.empty(0, dtype=np.intp)
            found[name] = Ordered(len(values), totals[name], values[at])
        return found

    def together(self, function: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
        """Yield what ``function`` returns of each item: where the rows are elsewhere, all are asked for at once."""
        return map(function, items)

    def define(self, name: str, values: Sequence[str]) -> str:
        """Define an enumeration; return its name."""
        members = ", ".join(map(sql.text, values))
        self._connection.execute(f"CREATE OR REPLACE TYPE {sql.name(name)} AS ENUM ({members})")
        return name

    def type_of(self, expression: str) -> str:
        """Return the type of an expression over the columns."""
        return str(self.query(f"DESCRIBE SELECT {expression} FROM source")[0][1])

    def members(self, expression: str) -> list[str]:
        """Return the keys of an object."""
        return [str(key) for key, *_ in self.query(f"DESCRIBE SELECT unnest({expression}) FROM source")]

    def at(self, path: str | None) -> str | None:
        """Return the expression of the value at a dotted path, as ``FieldPaths`` reads it; None where there is none."""
        if path is None:
            return None
        if path in self.columns:
            return sql.name(path)
        first, *rest = path.split(".")
        if first not in self.columns:
            return None
        expression: str | None = sql.name(first)
        for part in rest:
            expression = expression and self._below(expression, part)
        return expression

    def _below(self, expression: str, part: str) -> str | None:
        """Return the expression of the member, or of the element of a list, that a part of a path names."""
        type_ = self.type_of(expression)
        if type_ == "JSON":
            return f"json_extract({expression}, {sql.text(json_text.pointer((part,)))})"
        if type_.endswith("]"):
            return f"{expression}[{part} + 1]" if json_text.is_position(part) else None
        member = f"struct_extract({expression}, {sql.text(part)})"
        try:
            self.type_of(member)
        except duckdb.BinderException:
            return None
        return member

    def blocks(self, requested: Mapping[str, str], size: int) -> Iterator[dict[str, Values]]:
        """Yield alias -> values, of at most ``size`` rows at a time, in their order."""
        for part in self._parts:
            yield from part.blocks(requested, size)


def finite_values(values: Floats) -> Floats:
    """Return the finite of ``values``; -0.0 becomes 0.0, for the two have no order."""
    found: Floats = values[np.isfinite(values)] + 0.0
    return found


def drop_malformed(connection: duckdb.DuckDBPyConnection, columns: Iterable[str]) -> int:
    """Leave out of the table ``source`` the records that have no value at all; return their number."""
    nothing = " AND ".join(f"{sql.name(column)} IS NULL" for column in columns) or "true"
    ((malformed,),) = connection.execute(f"SELECT count(*) FROM source WHERE {nothing}").fetchall()
    if malformed:
        # Not deleted: numbers of rows are without gaps.
        connection.execute(f"CREATE OR REPLACE TABLE source AS SELECT * FROM source WHERE NOT ({nothing})")
    return int(malformed)


@contextmanager
def database(*, on_disk: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database that ends with the block, and needs a gigabyte of memory at most."""
    with tempfile.TemporaryDirectory(prefix="mlslo-baseline-") as folder:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY,
            "temp_directory": str(Path(folder) / "spilled"),
        }
        connection = duckdb.connect(
            str(Path(folder) / "source.duckdb") if on_disk else ":memory:", config=config
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()


@contextmanager
def open_source(files: Sequence[Path]) -> Iterator[Source]:
    """Read ``files`` (all JSONL, all CSV or all Parquet). Raises InputError where that fails."""
    kind = format_of(files)
    for file in files:
        if not file.is_file():
            raise InputError.of_file(file, "no such file")
    reader = reader_of(files, kind, semicolons=kind == "csv" and set(map(first_separator, files)) == {";"})
    with database() as connection:
        try:
            connection.execute(f"CREATE TABLE source AS SELECT * FROM {reader}")
            if kind == "csv" and (codes := codes_of(connection, reader)):
                connection.execute(
                    f"CREATE OR REPLACE TABLE source AS SELECT * FROM {with_codes(reader, codes)}"
                )
            source = Source(connection, kind)
            refuse_unusable(source, files[0])
            yield source
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            raise InputError.of_file(files[0], f"cannot be read as {kind}: {first}") from None


def refuse_unusable(source: Source, file: Path) -> None:
    """Raise InputError where nothing can be counted."""
    if own := [column for column in source.columns if column.lower() == "rowid"]:
        message = f"has a column '{own[0]}', which DuckDB keeps for itself; name it otherwise"
        raise InputError.of_file(file, message)
    if not source.rows:
        raise InputError.of_file(file, "holds no records")


def column_names(files: Sequence[Path]) -> list[str]:
    """Return the names of columns, of an object those of its members. Raises InputError where that fails."""
    with open_source(files) as source:
        nested = [
            name
            for name, type_ in source.columns.items()
            if type_.startswith("STRUCT(") and type_.endswith(")")
        ]
        inner = [member for name in nested for member in source.members(sql.name(name))]
        return [*(name for name in source.columns if name not in nested), *inner]


def codes_of(connection: duckdb.DuckDBPyConnection, reader: str) -> list[str]:
    """Return the columns of whole numbers that have leading zeros in the files: zip codes, not numbers."""
    described = connection.execute("DESCRIBE source").fetchall()
    columns = [str(name) for name, *_ in described]
    whole = [str(name) for name, type_, *_ in described if str(type_) in ("BIGINT", "HUGEINT")]
    if not whole:
        return []
    # Of text alone DuckDB cannot tell whether the first line is a header; without one it numbered the columns.
    header = columns != [f"column{position}" for position in range(len(columns))]
    found = ", ".join(f"bool_or(regexp_full_match({sql.name(name)}, '{LEADING_ZEROS}'))" for name in whole)
    read = f"{reader[:-1]}, all_varchar = true, header = {str(header).lower()})"
    (codes,) = connection.execute(f"SELECT {found} FROM {read}").fetchall()
    return [name for name, is_code in zip(whole, codes, strict=True) if is_code]


def with_codes(reader: str, codes: Iterable[str]) -> str:
    """Return SQL that reads some columns as text."""
    types = ", ".join(f"{sql.name(column)}: 'VARCHAR'" for column in codes)
    return f"{reader[:-1]}, types = {{{types}}})" if types else reader


def format_of(files: Sequence[Path]) -> str:
    """Return the format that all of ``files`` have by their names. Raises InputError where they have none."""
    kinds = {}
    for file in files:
        suffixes = [suffix for suffix in file.suffixes if suffix not in _COMPRESSED]
        kind = _READERS.get(suffixes[-1] if suffixes else "")
        if kind is None:
            raise InputError.of_file(
                file, f"expected a file named {', '.join('*' + suffix for suffix in _READERS)}"
            )
        kinds[kind] = file
    if len(kinds) > 1:
        raise InputError.of_file(files[0], f"expected files of one format, got {' and '.join(sorted(kinds))}")
    return next(iter(kinds))


def reader_of(files: Sequence[Path], kind: str, *, semicolons: bool = False) -> str:
    """Return SQL that reads ``files``. ``semicolons``: of CSV, whether they separate; then numbers have commas."""
    paths = "[" + ", ".join(sql.text(str(file)) for file in files) + "]"
    missing = ", ".join(map(sql.text, sorted(MISSING)))
    options = {
        "json": ", format = 'newline_delimited', ignore_errors = true, sample_size = -1"
        # An object is an object however many members it has, and however few records have each of them.
        ", map_inference_threshold = -1, field_appearance_threshold = 0",
        "csv": f", sample_size = -1, nullstr = [{missing}]"
        + (", delim = ';', decimal_separator = ','" if semicolons else ""),
        "parquet": "",
    }[kind]
    return f"read_{kind}({paths}{options}, union_by_name = true)"


def first_separator(file: Path) -> str:
    """Return what separates the columns of a file of CSV, by its first line."""
    if file.suffix == ".zst":
        return ","
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            return separator(lines.readline(_LONGEST_HEADER).decode("utf-8", "replace"))
    except (OSError, EOFError, zlib.error):
        # DuckDB says what is wrong with it.
        return ","
