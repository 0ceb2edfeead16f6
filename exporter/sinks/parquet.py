"""Rows of Parquet files as lines of JSON."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, cast

from exporter.parse import sql
from exporter.sinks.descriptors import UnreadableError

if TYPE_CHECKING:
    import duckdb
    from duckdb.sqltypes import DuckDBPyType

_MAGIC = b"PAR1"
_LONGEST_FOOTER = 64 << 20
_ROWS = 2_000
# Little of it is used but for wide rows: 20,000 vectors of 768 floats take 760 MB.
_MEMORY = "1GB"


class ParquetFile:
    """A Parquet file, by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    def footer(self) -> bytes | None:
        """Return the footer, which tells files apart; None where the file is not whole yet.

        Raises OSError where it is no Parquet file.
        """
        begins = os.pread(self._descriptor, 4, 0)
        if begins != _MAGIC[: len(begins)]:
            raise UnreadableError(f"no Parquet file: it begins with {begins!r}")
        ends = os.pread(self._descriptor, 8, max(0, self._size - 8))
        length = int.from_bytes(ends[:4], "little")
        if self._size < 12 or ends[4:] != _MAGIC or length + 12 > min(self._size, _LONGEST_FOOTER):
            return None
        return os.pread(self._descriptor, length, self._size - 8 - length)

    def checksum(self) -> int | None:
        """Return the checksum of the footer, which holds places and statistics; None where it is not whole yet."""
        footer = self.footer()
        return None if footer is None else zlib.crc32(footer, self._size)

    def rows(self) -> int:
        """Return how many there are. Raises OSError where the file is damaged."""
        import duckdb

        with closing(_connection()) as connection:
            try:
                query = f"SELECT sum(num_rows) FROM parquet_file_metadata({self._path})"
                ((rows,),) = connection.execute(query).fetchall()
            except duckdb.Error as error:
                raise _damaged(error) from None
        return int(rows or 0)

    def lines(self, start: int, most: int = _ROWS) -> Iterator[tuple[bytes, int]]:
        """Yield the rows from ``start`` on as lines, with their number, at most ``most`` at a time.

        Raises OSError where the file is damaged.
        """
        import duckdb

        with closing(_connection()) as connection:
            source = f"read_parquet({self._path}, file_row_number = true)"
            try:
                columns = connection.sql(f"FROM read_parquet({self._path})")
                types = zip(columns.columns, columns.types, strict=True)
                row = json_object({name: (sql.name(name), type_) for name, type_ in types})
                result = connection.execute(f"SELECT {row} FROM {source} WHERE file_row_number >= {start}")
                while rows := result.fetchmany(most):
                    yield "\n".join([*(text for (text,) in rows), ""]).encode(), len(rows)
            except duckdb.Error as error:
                raise _damaged(error) from None

    @property
    def _path(self) -> str:
        # What the descriptor is of, whatever has its name by now.
        return sql.text(f"/proc/self/fd/{self._descriptor}")


def _connection() -> duckdb.DuckDBPyConnection:
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": _MEMORY,
        "enable_external_file_cache": False,
    }
    connection = duckdb.connect(config=config)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def json_object(members: dict[str, tuple[str, DuckDBPyType]], zone: str = "Z") -> str:
    """Return the expression of an object: name -> expression and type. Times are as RFC 3339 has them, NaN is null.

    ``zone``: what follows a time that has none.
    """
    return f"to_json({_struct(members, zone)})"


def _struct(members: dict[str, tuple[str, DuckDBPyType]], zone: str) -> str:
    return (
        "{" + ", ".join(f"{sql.text(name)}: {_json(*member, zone)}" for name, member in members.items()) + "}"
    )


def _json(value: str, type_: DuckDBPyType, zone: str) -> str:
    match type_.id:
        case "float" | "double":
            return f"CASE WHEN isfinite({value}) THEN {value} END"
        case "timestamp with time zone" | "timestamp_tz":
            return f"strftime({value} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
        case "timestamp" | "timestamp_s" | "timestamp_ms" | "timestamp_us" | "timestamp_ns":
            return f"strftime({value}::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%f{zone}')"
        case "list" | "array":
            element = _json("x", _children(type_)[0][1], zone)
            return value if element == "x" else f"list_transform({value}, lambda x: {element})"
        case "struct":
            members = _children(type_)
            inner = {name: (f"struct_extract({value}, {sql.text(name)})", child) for name, child in members}
            return f"CASE WHEN {value} IS NOT NULL THEN {_struct(inner, zone)} END"
    return value


def _children(type_: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """Return the element of a list, or the members of a struct."""
    return [(name, cast("DuckDBPyType", child)) for name, child in type_.children if name != "size"]


def _damaged(error: Exception) -> OSError:
    return UnreadableError(f"cannot be read as Parquet: {str(error).splitlines()[0]}")
