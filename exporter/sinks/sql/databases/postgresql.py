"""PostgreSQL, by ADBC."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, quote, urlsplit

from numpy.typing import NDArray

from exporter.extras import needs
from exporter.parse import sql
from exporter.sinks.sink import SinkError
from exporter.sinks.sql.databases.database import ROWS, SECONDS, Database, QueryError
from mlslo.monitor import SqlSink

if TYPE_CHECKING:
    import duckdb
    from duckdb.sqltypes import DuckDBPyType

# A network that swallows packets is given up by the kernel.
_PARAMETERS = {
    "application_name": "mlslo-exporter",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
_SETTINGS = (
    "SET client_encoding = 'UTF8'",
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO'",
    f"SET statement_timeout = {int(SECONDS * 1000)}",
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
)


class PostgresDatabase(Database):
    """One transaction that reads one snapshot. The server itself writes a row's JSON, whatever its types are."""

    ROW = ROWS
    BYTES = "octet_length"

    def __init__(self, settings: SqlSink, password: Path | None) -> None:
        """``password``: the file of it. Raises SinkError where the server cannot be reached, or says no."""
        super().__init__(settings)
        try:
            import adbc_driver_manager
            import adbc_driver_postgresql
        except ModuleNotFoundError:
            raise SinkError(f"PostgreSQL {needs('sql')}") from None
        import duckdb

        self._adbc = adbc_driver_manager
        self._open: list[Any] = []
        url = _with_parameters(settings.url, password)
        try:
            driver = adbc_driver_postgresql._driver_path()
            database = self._asked(lambda: adbc_driver_manager.AdbcDatabase(driver=driver, uri=url))
            self._open.append(database)
            self._connection = self._asked(lambda: adbc_driver_manager.AdbcConnection(database))
            self._open.append(self._connection)
            # Takes over what the driver returns, as Arrow; and brings values to it.
            self._local = duckdb.connect(config={"threads": 1})
            self._values = self._local.cursor()
            self._open += [self._local, self._values]
            for setting in _SETTINGS:
                self._asked(lambda setting=setting: self._run(setting))  # type: ignore[misc]
            self._look()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        while self._open:
            self._open.pop().close()

    def _columns(self, statement: str) -> Mapping[str, DuckDBPyType]:
        found = self._asked(
            lambda: self._run(statement, (), lambda stream: _described(self._local, stream)), statement
        )
        return cast("Mapping[str, DuckDBPyType]", found)

    def _fetch(
        self, statement: str, values: Sequence[int | str], expressions: str
    ) -> dict[str, NDArray[Any]]:
        def read(stream: Any) -> dict[str, NDArray[Any]]:  # noqa: ARG001 - DuckDB finds it by its name
            return self._local.execute(f"SELECT {expressions} FROM stream").fetchnumpy()

        found = self._asked(lambda: self._run(statement, values, read), statement)
        return cast("dict[str, NDArray[Any]]", found)

    def _run(
        self,
        statement: str,
        values: Sequence[int | str] = (),
        read: Callable[[Any], Any] = lambda _stream: None,
    ) -> Any:
        prepared = self._adbc.AdbcStatement(self._connection)
        try:
            prepared.set_sql_query(statement)
            if values:
                prepared.prepare()
                names = ", ".join(f"${number} AS v{number}" for number in range(1, len(values) + 1))
                prepared.bind_stream(self._values.sql(f"SELECT {names}", params=list(values)))
            return read(prepared.execute_query()[0])
        finally:
            prepared.close()

    def _asked(self, action: Callable[[], Any], statement: str = "") -> Any:
        try:
            return self._within(action)
        except self._adbc.Error as error:
            raise self._explained(error, statement) from None

    def _explained(self, error: Any, statement: str) -> SinkError:
        details = {key.decode(): value.decode(errors="replace") for key, value in error.details}
        message = details.get("PG_DIAG_MESSAGE_PRIMARY") or _first_line(str(error))
        # 57014: the statement's own time-out; 42, 22 and so on are of the query, 08, 28, 53, 57 of the server.
        if error.sqlstate == "57014":
            message = f"no answer within {SECONDS:g} seconds: is there an index on '{self._settings.cursor}'?"
        if not statement or (error.sqlstate or "08")[:2] in ("08", "28", "53", "57", "58", "XX"):
            return SinkError(f"{self._settings.url.partition('?')[0]}: {message}")
        position = (
            int(details.get("PG_DIAG_STATEMENT_POSITION", "0")) - 1 - statement.find(self._settings.query)
        )
        return QueryError(message, offset=position if 0 <= position < len(self._settings.query) else None)

    def _interrupt(self) -> None:
        """Do nothing: to cancel asks the same server. What waits for its answer ends with the process."""

    def _as_number(self, column: str) -> str:
        if self.kind == "number":
            return f"{column}::bigint"
        return f"(extract(epoch FROM {column}) * 1000000)::bigint"

    def _as_cursor(self, number: str) -> str:
        number = f"{number}::bigint"
        if self.kind == "number":
            return number
        if self.kind == "date":
            return f"date 'epoch' + ({number} / 86400000000)::integer"
        zoned = self._types[self._settings.cursor].id == "timestamp with time zone"
        return f"{'timestamptz' if zoned else 'timestamp'} 'epoch' + {number} * INTERVAL '1 microsecond'"

    def _identity(self) -> str:
        whole = f"encode(sha256(convert_to({ROWS}::text, 'UTF8')), 'hex')"
        column = self._settings.id
        return (
            f'coalesce({ROWS}.{sql.name(column)}::text, {whole}) COLLATE "C"'
            if column
            else f'{whole} COLLATE "C"'
        )

    def _line(self) -> str:
        return f"row_to_json({ROWS})::text"


def _described(local: duckdb.DuckDBPyConnection, stream: Any) -> Mapping[str, DuckDBPyType]:  # noqa: ARG001
    found = local.execute("SELECT * FROM stream").description or ()
    return {name: type_ for name, type_, *_ in found}


def _with_parameters(url: str, password: Path | None) -> str:
    given = dict(parse_qsl(urlsplit(url).query))
    added = {key: value for key, value in _PARAMETERS.items() if key not in given}
    if password is not None:
        try:
            added["password"] = password.read_text().rstrip("\r\n")
        except OSError as error:
            raise SinkError(f"{password}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SinkError(f"{password}: expected UTF-8 text") from None
    parameters = "&".join(f"{key}={quote(value, safe='')}" for key, value in added.items())
    return f"{url}{'&' if urlsplit(url).query else '?'}{parameters}"


def _first_line(text: str) -> str:
    found = re.search(r"(?:FATAL|ERROR): +([^\n]+)", text) or re.search(
        r"(?:Failed to connect: )?([^\n]+)", text
    )
    return found[1] if found else text
