"""Lines of JSON become numpy columns, by DuckDB."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from exporter import sql
from exporter.leaves import Leaves

_LONGEST_RECORD = 2 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Parser:
    """Runs one SELECT over the lines of each batch. ``wanted``: alias -> expression over the leaves."""

    def __init__(
        self, wanted: Mapping[str, str], leaves: Leaves, connection: duckdb.DuckDBPyConnection | None = None
    ) -> None:
        self._connection = connection or duckdb.connect(config={"threads": 1})
        self._connection.execute("SET TimeZone = 'UTC'")
        select = ", ".join(f"{expression} AS {sql.name(alias)}" for alias, expression in wanted.items())
        self._select = f"SELECT {select} FROM read_json("
        self._options = (
            f", format = 'newline_delimited', ignore_errors = true, "
            f"maximum_object_size = {_LONGEST_RECORD}, columns = {{{leaves.columns()}}})"
        )

    def close(self) -> None:
        """Release the database in memory."""
        self._connection.close()

    def again(self, wanted: Mapping[str, str], leaves: Leaves, lines: bytes) -> dict[str, npt.NDArray[Any]]:
        """Other columns of lines that ``select`` took; lines that were too long give no row."""
        other = Parser(wanted, leaves, self._connection)
        return other.select(lines)[0]

    def define_categories(self, name: str, categories: Iterable[str]) -> None:
        """An enumeration that expressions can cast to."""
        values = ", ".join(sql.text(category) for category in categories)
        self._connection.execute(f"CREATE TYPE {sql.name(name)} AS ENUM ({values})")

    def select(self, lines: bytes) -> tuple[dict[str, npt.NDArray[Any]], int]:
        """The wanted columns, and how many lines were too long to be parsed."""
        lines = lines.removeprefix(_BYTE_ORDER_MARK)
        try:
            return self._run(lines), 0
        except duckdb.Error:
            # One monstrous line makes DuckDB refuse the whole batch.
            short = [line for line in lines.splitlines(keepends=True) if len(line) < _LONGEST_RECORD]
            rejected = lines.count(b"\n") - len(short)
            if not rejected:
                raise
            return self._run(b"".join(short)), rejected

    def _run(self, lines: bytes) -> dict[str, npt.NDArray[Any]]:
        # An anonymous file in memory: DuckDB's parallel reader wants something it can seek in.
        descriptor = os.memfd_create("mlslo-batch")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(lines)
            query = f"{self._select}'/proc/self/fd/{descriptor}'{self._options}"
            return self._connection.execute(query).fetchnumpy()
        finally:
            os.close(descriptor)


def filled(column: npt.NDArray[Any], value: Any) -> npt.NDArray[Any]:
    """``column`` with ``value`` where it is null."""
    return np.ma.filled(column, value) if isinstance(column, np.ma.MaskedArray) else column
