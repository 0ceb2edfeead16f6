"""Rows of a Parquet file, which are selected from as they are where their types say what their JSON would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from exporter.parse import sql

if TYPE_CHECKING:
    import duckdb
    from duckdb.sqltypes import DuckDBPyType

# Little of it is used but for wide rows: 20,000 vectors of 768 floats take 760 MB.
_MEMORY = "1GB"
_MOST = 2_000
_WHOLE = {"tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint"}
_REAL = {"float", "double"}
_PLAIN_TIMES = {"timestamp", "timestamp_s", "timestamp_ms", "timestamp_us", "timestamp_ns"}
_ZONED_TIMES = {"timestamp with time zone", "timestamp_tz"}
_AS_TEXT = _WHOLE | {"boolean", "date", "uuid"}


class TypedRows:
    """Rows ``start`` to ``stop`` of an open Parquet file at ``path``, in place of lines.

    ``types``: of its columns. ``bytes(rows)`` are the same rows as lines.
    """

    def __init__(self, path: str, types: Mapping[str, DuckDBPyType], start: int, stop: int) -> None:
        self._path = path
        self._types = types
        self._start, self._stop = start, stop

    def __len__(self) -> int:
        return self._stop - self._start

    def __bytes__(self) -> bytes:
        return self.at(range(len(self)))

    def at(self, numbers: Sequence[int]) -> bytes:
        """Return the rows of these numbers, from 0, as lines in the order of the file."""
        if isinstance(numbers, range):
            where = f"BETWEEN {self._start + numbers.start} AND {self._start + numbers.stop - 1}"
        else:
            where = f"IN ({', '.join(str(self._start + number) for number in numbers)})"
        found = bytearray()
        with closing(connection()) as opened:
            rows = f"read_parquet({sql.text(self._path)}, file_row_number = true)"
            row = json_object({name: (sql.name(name), type_) for name, type_ in self._types.items()})
            query = f"SELECT {row} FROM {rows} WHERE file_row_number {where}"
            result = opened.execute(query)
            while fetched := result.fetchmany(_MOST):
                found += "\n".join([*(text for (text,) in fetched), ""]).encode()
        return bytes(found)

    def is_text(self, path: str) -> bool:
        """Return True where there is no object at ``path`` but, maybe, a text that holds one."""
        types: Mapping[str, DuckDBPyType] = self._types
        for part in path.split("."):
            found = types.get(part)
            if found is None or found.id != "struct":
                return found is not None
            types = dict(children(found))
        return False

    def source(self, tree: Mapping[str, Any]) -> str | None:
        """Return the source of rows with the columns of ``tree``, typed as a parser of their lines would give them.

        None where a column's type does not tell what that is.
        """
        columns = []
        for name, node in tree.items():
            type_ = self._types.get(name)
            column = _null(node) if type_ is None else _typed(sql.name(name), type_, node)
            if column is None:
                return None
            columns.append(f"{column} AS {sql.name(name)}")
        rows = f"read_parquet({sql.text(self._path)}, file_row_number = true)"
        between = f"file_row_number >= {self._start} AND file_row_number < {self._stop}"
        return f"(SELECT {', '.join(columns)} FROM {rows} WHERE {between})"


def _typed(value: str, type_: DuckDBPyType, node: Mapping[str, Any] | str) -> str | None:
    if isinstance(node, str):
        match node:
            case "DOUBLE" if type_.id in _REAL:
                return f"CASE WHEN isfinite({value}) THEN {value}::DOUBLE END"
            case "DOUBLE" if type_.id in _WHOLE or type_.id == "boolean":
                return f"{value}::DOUBLE"
            case "DOUBLE" if type_.id == "decimal":
                return f"to_json({value})::VARCHAR::DOUBLE"
            case "VARCHAR" if type_.id == "decimal":
                return f"to_json({value})::VARCHAR::DOUBLE::VARCHAR"
            case "VARCHAR" if type_.id in _REAL:
                return f"CASE WHEN isfinite({value}) THEN {value}::DOUBLE::VARCHAR END"
            case "VARCHAR" if type_.id == "varchar":
                return value
            case "VARCHAR" if type_.id in _PLAIN_TIMES | _ZONED_TIMES:
                return _json(value, type_)
            case "VARCHAR" if type_.id in _AS_TEXT:
                return f"{value}::VARCHAR"
        return None
    if type_.id != "struct":
        return None
    types = dict(children(type_))
    members = []
    for name, child in node.items():
        inner = f"struct_extract({value}, {sql.text(name)})"
        member = _typed(inner, types[name], child) if name in types else _null(child)
        if member is None:
            return None
        members.append(f"{sql.text(name)}: {member}")
    return f"CASE WHEN {value} IS NOT NULL THEN {{{', '.join(members)}}} END"


def _null(node: Mapping[str, Any] | str) -> str | None:
    if node in ("DOUBLE", "VARCHAR"):
        return f"NULL::{node}"
    if isinstance(node, str):
        return None
    children = {name: _null(child) for name, child in node.items()}
    members = ", ".join(f"{sql.text(name)}: {child}" for name, child in children.items())
    return None if None in children.values() else f"CASE WHEN false THEN {{{members}}} END"


def connection() -> duckdb.DuckDBPyConnection:
    """Return a connection to the one database in memory, which reads Parquet files."""
    return _database().cursor()


@cache
def _database() -> duckdb.DuckDBPyConnection:
    # To open one takes 25 ms: as long as reading 10,000 rows.
    import duckdb

    opened = duckdb.connect(
        config={"threads": 1, "memory_limit": _MEMORY, "enable_external_file_cache": False}
    )
    opened.execute("SET GLOBAL TimeZone = 'UTC'")
    return opened


def json_object(members: Mapping[str, tuple[str, DuckDBPyType]], zone: str = "Z") -> str:
    """Return SQL for an object: name -> expression and type. Times are as RFC 3339 has them, NaN is null.

    ``zone``: what follows a time that has none.
    """
    return f"to_json({_struct(members, zone)})"


def _struct(members: Mapping[str, tuple[str, DuckDBPyType]], zone: str) -> str:
    pairs = (f"{sql.text(name)}: {_json(*member, zone)}" for name, member in members.items())
    return f"{{{', '.join(pairs)}}}"


def _json(value: str, type_: DuckDBPyType, zone: str = "Z") -> str:
    match type_.id:
        case "float" | "double":
            return f"CASE WHEN isfinite({value}) THEN {value} END"
        case "timestamp with time zone" | "timestamp_tz":
            return f"strftime({value} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
        case "timestamp" | "timestamp_s" | "timestamp_ms" | "timestamp_us" | "timestamp_ns":
            return f"strftime({value}::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%f{zone}')"
        case "list" | "array":
            element = _json("x", children(type_)[0][1], zone)
            return value if element == "x" else f"list_transform({value}, lambda x: {element})"
        case "struct":
            inner = {
                name: (f"struct_extract({value}, {sql.text(name)})", child) for name, child in children(type_)
            }
            return f"CASE WHEN {value} IS NOT NULL THEN {_struct(inner, zone)} END"
    return value


def children(type_: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """Return the element of a list, or the members of a struct."""
    return [(name, cast("DuckDBPyType", child)) for name, child in type_.children if name != "size"]
