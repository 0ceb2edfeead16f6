"""Rows of Parquet files as lines of JSON."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import closing

from exporter.parse import sql
from exporter.parse.typed_rows import TypedRows, connection, json_object
from exporter.sinks.descriptors import UnreadableError

_MAGIC = b"PAR1"
_LONGEST_FOOTER = 64 << 20
_ROWS = 2_000
# Rows that are taken as they are: so many, of so many bytes before compression.
_TAKEN, _TAKEN_BYTES = 122_880, 32 << 20


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

        with closing(connection()) as opened:
            try:
                query = f"SELECT sum(num_rows) FROM parquet_file_metadata({self._path})"
                ((rows,),) = opened.execute(query).fetchall()
            except duckdb.Error as error:
                raise _damaged(error) from None
        return int(rows or 0)

    def lines(self, start: int, most: int = _ROWS) -> Iterator[tuple[bytes, int]]:
        """Yield the rows from ``start`` on as lines, with their number, at most ``most`` at a time.

        Raises OSError where the file is damaged.
        """
        import duckdb

        with closing(connection()) as opened:
            source = f"read_parquet({self._path}, file_row_number = true)"
            try:
                columns = opened.sql(f"FROM read_parquet({self._path})")
                types = zip(columns.columns, columns.types, strict=True)
                row = json_object({name: (sql.name(name), type_) for name, type_ in types})
                result = opened.execute(f"SELECT {row} FROM {source} WHERE file_row_number >= {start}")
                while rows := result.fetchmany(most):
                    yield "\n".join([*(text for (text,) in rows), ""]).encode(), len(rows)
            except duckdb.Error as error:
                raise _damaged(error) from None

    def typed(self, start: int) -> list[TypedRows]:
        """Return the rows from ``start`` on as they are, in parts. Raises OSError where the file is damaged."""
        import duckdb

        with closing(connection()) as opened:
            try:
                columns = opened.sql(f"FROM read_parquet({self._path})")
                types = dict(zip(columns.columns, columns.types, strict=True))
                ((rows, size),) = opened.execute(
                    "SELECT sum(row_group_num_rows) FILTER (column_id = 0), sum(total_uncompressed_size) "
                    f"FROM parquet_metadata({self._path})"
                ).fetchall()
            except duckdb.Error as error:
                raise _damaged(error) from None
        most = max(1, min(_TAKEN, _TAKEN_BYTES * int(rows or 0) // max(1, int(size or 0))))
        return [
            TypedRows(self.path, types, first, min(first + most, int(rows)))
            for first in range(start, int(rows or 0), most)
        ]

    @property
    def path(self) -> str:
        """Path of the open file, whatever has its name by now."""
        return f"/proc/self/fd/{self._descriptor}"

    @property
    def _path(self) -> str:
        return sql.text(self.path)


def _damaged(error: Exception) -> OSError:
    return UnreadableError(f"cannot be read as Parquet: {str(error).splitlines()[0]}")
