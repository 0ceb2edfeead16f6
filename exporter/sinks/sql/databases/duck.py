"""DuckDB: a database file, files that the query names, tables of a lake."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from exporter.parse import sql
from exporter.parse.typed_rows import json_object
from exporter.sinks.sink import SinkError
from exporter.sinks.sql.databases.database import ROWS, Database, Key, Page, QueryError, Result
from exporter.sinks.sql.databases.lake import create_views
from mlslo.monitor import Monitor, SqlSink

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

_AHEAD = 2_000_000
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "memory_limit": "1GB",
    "max_temp_directory_size": "8GB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_file_cache": False,
}


class DuckDatabase(Database):
    """A connection that cannot write, nor load anything. A file is open only while it is read."""

    ROW = f"{ROWS}.*"
    BYTES = "strlen"

    def __init__(self, settings: SqlSink, monitor: Monitor) -> None:
        """Raises SinkError where the file cannot be opened."""
        super().__init__(settings)
        import duckdb

        path = unquote(settings.url.removeprefix("duckdb:").removeprefix("//"))
        temporary = f"{tempfile.gettempdir()}/mlslo-sql-{os.getpid()}"
        try:
            self._connection = duckdb.connect(
                str(monitor.resolve(path)) if path else ":memory:",
                read_only=bool(path),
                config={**_CONFIG, "temp_directory": temporary},
            )
        except duckdb.Error as error:
            raise SinkError(f"{settings.url}: {_first_line(error)}") from None
        # The next values of the cursor, in order; and whether these are all that there are.
        self._ahead = np.empty(0, np.int64)
        self._is_whole = False
        try:
            self._connection.execute("SET TimeZone = 'UTC'")
            self._connection.execute(
                f"SET file_search_path = {sql.text(str(monitor.path.parent.absolute()))}"
            )
            self._asked(lambda: create_views(self._connection, monitor, settings.tables))
            self._connection.execute("SET lock_configuration = true")
            self._refuse_others()
            self._look()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._connection.close()

    def page(self, most: int, start: Key | None, end: Key | None, *, lines: bool = True) -> Page:
        """Return a page as every database does, but look at no rows that are far behind it.

        DuckDB would read the columns of all rows from ``start`` on to find the first ones.
        """
        taken = most + (start.taken if start else 0)
        place = int(np.searchsorted(self._ahead, start.cursor, side="right")) if start else 0
        if place + taken >= len(self._ahead) and not self._is_whole:
            where, values = self._between(start, None, ())
            rows = f"(\n{self._settings.query}\n) AS {ROWS} WHERE {where}"
            statement = (
                f"SELECT {self._as_number(self._column)} AS cursor FROM {rows} ORDER BY cursor LIMIT {_AHEAD}"
            )
            self._ahead = self._fetch(statement, values, "cursor")["cursor"]
            self._is_whole = len(self._ahead) < _AHEAD
            place = 0
        if place + taken < len(self._ahead):
            last = int(self._ahead[place + taken])
            if end is None or last < end.cursor:
                end = Key(last, None)
        return super().page(most, start, end, lines=lines)

    def _refuse_others(self) -> None:
        import duckdb

        try:
            statements = self._connection.extract_statements(self._settings.query)
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from None
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise QueryError("expected one SELECT")

    def _columns(self, statement: str) -> Mapping[str, DuckDBPyType]:
        found = self._asked(lambda: self._connection.execute(statement).description) or ()
        return {name: type_ for name, type_, *_ in found}

    def _fetch(
        self, statement: str, values: Sequence[int | str], expressions: str
    ) -> dict[str, NDArray[Any]]:
        statement = f"SELECT {expressions} FROM (\n{statement}\n)"
        return self._asked(lambda: self._connection.execute(statement, list(values)).fetchnumpy())

    def _asked(self, action: Callable[[], Result]) -> Result:
        import duckdb

        try:
            return self._within(action)
        except duckdb.IOException as error:
            raise SinkError(_first_line(error)) from None
        except duckdb.Error as error:
            raise QueryError(_first_line(error)) from None

    def _interrupt(self) -> None:
        self._connection.interrupt()

    def _is_finer(self) -> bool:
        return self._types[self._settings.cursor].id in ("timestamp_ns", "timestamp_s", "timestamp_ms")

    def _as_number(self, column: str) -> str:
        return f"{column}::BIGINT" if self.kind == "number" else f"epoch_us({column})"

    def _as_cursor(self, number: str) -> str:
        if self.kind == "number":
            return f"{number}::BIGINT"
        type_ = self._types[self._settings.cursor]
        cast = f"make_timestamp({number}::BIGINT)"
        return cast if self._is_finer() else f"{cast}::{type_}"

    def _identity(self) -> str:
        whole = f"md5({ROWS}::VARCHAR)"
        column = self._settings.id
        return f"coalesce({ROWS}.{sql.name(column)}::VARCHAR, {whole})" if column else whole

    def _line(self) -> str:
        members = {name: (f"{ROWS}.{sql.name(name)}", type_) for name, type_ in self._types.items()}
        return f"CAST({json_object(members, zone='')} AS VARCHAR)"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
