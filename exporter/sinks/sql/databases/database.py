"""Base class of databases: pages of a query's rows, in the order of a cursor column and of what tells rows apart."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from exporter.parse import sql
from exporter.parse.json_lines import LONGEST_RECORD
from exporter.sinks.sink import SinkError
from mlslo.monitor import SqlSink
from mlslo.yamlfile import did_you_mean, quoted_list

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

Kind = Literal["time", "date", "number"]
Result = TypeVar("Result")

ROWS = "mlslo_rows"
"""Name of the user's query in statements."""
SECONDS = 50.0
"""How long one statement may take."""
_LARGEST = 16 << 20
# No upgrade of DuckDB changes these hashes.
_EXPRESSIONS = (
    "cursor::BIGINT AS cursor, identity, md5_number_lower(concat_ws(' ', cursor, identity))::UBIGINT AS hash, "
    # PostgreSQL's type json keeps the newlines that a value was written with.
    "CASE WHEN line = '' THEN '' ELSE replace(replace(line, chr(10), ' '), chr(13), ' ') || chr(10) END AS line, found"
)
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint"), "number"),
    **dict.fromkeys(("utinyint", "usmallint", "uinteger"), "number"),
    **dict.fromkeys(("timestamp", "timestamp_s", "timestamp_ms", "timestamp_us", "timestamp_ns"), "time"),
    **dict.fromkeys(("timestamp with time zone", "timestamp_tz"), "time"),
    "date": "date",
}


class QueryError(SinkError):
    """An error of a database about a query. ``key``: of the settings; ``offset``: of a character of the query."""

    def __init__(self, message: str, key: str = "query", offset: int | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.offset = offset


class Key(NamedTuple):
    """A place in the order of rows: the cursor's value as a whole number, and what tells its rows apart.

    A time is in microseconds since 1970, UTC. ``identity``: None is behind all rows of the cursor's value.
    ``taken``: rows of just this key that were taken already.
    """

    cursor: int
    identity: str | None = ""
    taken: int = 0


class Page(NamedTuple):
    """Rows in their order. ``hashes``: 64 bits of cursor and identity. ``more``: whether others may follow.

    ``lines``: JSON with a newline; an empty text where a record is too long, or where only keys were asked for.
    """

    cursors: NDArray[np.int64]
    identities: NDArray[np.object_]
    hashes: NDArray[np.uint64]
    lines: NDArray[np.object_]
    more: bool


class Database(ABC):
    """A connection to one database, for one read, with the expressions of its dialect.

    A subclass connects, then calls ``_look``.
    """

    ROW: ClassVar[str]
    """Expression of a whole row, to be carried through a statement."""
    BYTES: ClassVar[str]
    """The function of a text's length in bytes."""

    def __init__(self, settings: SqlSink) -> None:
        self._settings = settings
        self._types: Mapping[str, DuckDBPyType] = {}
        self.kind: Kind = "time"

    @abstractmethod
    def close(self) -> None:
        """Disconnect."""

    @abstractmethod
    def _columns(self, statement: str) -> Mapping[str, DuckDBPyType]:
        """Return name -> type of what a statement returns. Raises QueryError and SinkError."""

    @abstractmethod
    def _fetch(
        self, statement: str, values: Sequence[int | str], expressions: str
    ) -> dict[str, NDArray[Any]]:
        """Run a statement whose ``$1`` and so on are ``values``; return DuckDB's ``expressions`` of what it returns.

        Raises QueryError and SinkError.
        """

    @abstractmethod
    def _interrupt(self) -> None:
        """End the statement that runs, from another thread."""

    @abstractmethod
    def _as_number(self, column: str) -> str:
        """Return the expression of a cursor as a whole number."""

    @abstractmethod
    def _as_cursor(self, number: str) -> str:
        """Return the expression of a whole number as a value of the cursor's type."""

    @abstractmethod
    def _identity(self) -> str:
        """Return the expression that tells rows of one cursor value apart, in an order of its bytes."""

    @abstractmethod
    def _line(self) -> str:
        """Return the expression of a row as JSON, on one line."""

    def _look(self) -> None:
        """Learn the query's columns. Raises QueryError where the cursor or the id is none of them."""
        query = self._settings.query
        self._types = self._columns(f"SELECT * FROM (\n{query}\n) AS {ROWS} LIMIT 0")
        for key, column in (("cursor", self._settings.cursor), ("id", self._settings.id)):
            if column is not None and column not in self._types:
                known = f"expected one of {quoted_list(self._types)}{did_you_mean(column, self._types)}"
                raise QueryError(f"the query has no column '{column}', {known}", key)
        type_ = self._types[self._settings.cursor]
        kind = _KINDS.get(type_.id)
        if kind is None:
            message = (
                f"expected a timestamp, a date or a whole number, '{self._settings.cursor}' is a {type_}"
            )
            raise QueryError(message, "cursor")
        self.kind = kind

    @property
    def _cursor(self) -> str:
        return f"{ROWS}.{sql.name(self._settings.cursor)}"

    @property
    def _column(self) -> str:
        """Sort key of rows: of nanoseconds, whole microseconds."""
        return self._as_cursor(self._as_number(self._cursor)) if self._is_finer() else self._cursor

    def page(self, most: int, start: Key | None, end: Key | None, *, lines: bool = True) -> Page:
        """Return up to ``most`` rows, fewer where they are large, from ``start`` to ``end``, both included."""
        cursor = self._column
        where, values = self._between(start, end, [most, start.taken if start else 0])
        line = self._line() if lines else "''"
        rows = (
            f"SELECT {self.ROW}, {cursor} AS mlslo_cursor, {self._identity()} AS mlslo_identity\n"
            f"FROM (\n{self._settings.query}\n) AS {ROWS} WHERE {where}\n"
            "ORDER BY mlslo_cursor, mlslo_identity LIMIT $1 OFFSET $2"
        )
        # OFFSET 0: the JSON of a row is not to be built for each of its uses.
        statement = (
            "SELECT cursor, identity, line, found FROM (SELECT *, count(*) OVER () AS found,\n"
            f"sum({self.BYTES}(line)) OVER (ORDER BY cursor, identity ROWS UNBOUNDED PRECEDING) AS bytes FROM (\n"
            f"SELECT cursor, identity, CASE WHEN {self.BYTES}(line) < {LONGEST_RECORD} THEN line ELSE '' END AS line\n"
            f"FROM (SELECT {self._as_number('mlslo_cursor')} AS cursor, mlslo_identity AS identity, {line} AS line\n"
            f"FROM (\n{rows}\n) AS {ROWS} OFFSET 0) AS read) AS cut) AS whole\n"
            f"WHERE bytes <= {_LARGEST} ORDER BY cursor, identity"
        )
        columns = self._fetch(statement, values, _EXPRESSIONS)
        cursors, found = columns["cursor"], columns["found"]
        more = bool(len(found)) and (int(found[0]) >= most or int(found[0]) > len(found))
        return Page(cursors, columns["identity"], columns["hash"], columns["line"], more)

    def _between(
        self, start: Key | None, end: Key | None, values: Sequence[int | str]
    ) -> tuple[str, list[int | str]]:
        """Return the condition on rows from ``start`` to ``end``, and its values behind ``values``."""
        conditions, values = [self._is_finite(self._cursor)], [*values]
        for place, column, order in ((start, self._cursor, ">"), (end, self._column, "<")):
            if place is not None:
                values.append(place.cursor)
                bound = self._as_cursor(f"${len(values)}")
                conditions.append(f"{column} {order}= {bound}")
                if place.identity:
                    values.append(place.identity)
                    same = f"{self._identity()} {order}= ${len(values)}"
                    conditions.append(f"({self._column} {order} {bound} OR {same})")
        return " AND ".join(conditions), values

    def unplaced(self) -> int:
        """Return how many rows have no cursor value."""
        rows = f"(\n{self._settings.query}\n) AS {ROWS}"
        statement = f"SELECT count(*) AS number FROM {rows} WHERE NOT ({self._is_finite(self._cursor)})"
        return int(self._fetch(statement, (), "number")["number"][0])

    def _is_finite(self, column: str) -> str:
        return f"{column} IS NOT NULL" + ("" if self.kind == "number" else f" AND isfinite({column})")

    def _is_finer(self) -> bool:
        return False

    def _within(self, action: Callable[[], Result]) -> Result:
        """Return what ``action`` does, in a thread of its own: a server that does not answer is left alone with it.

        Raises SinkError where that takes too long.
        """
        found: list[Result] = []
        failed: list[BaseException] = []

        def act() -> None:
            try:
                found.append(action())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=act, daemon=True, name="sql")
        thread.start()
        thread.join(SECONDS + 5)
        if thread.is_alive():
            with suppress(Exception):
                self._interrupt()
            thread.join(2)
            raise SinkError(f"no answer within {SECONDS:g} seconds")
        if failed:
            raise failed[0]
        return found[0]
