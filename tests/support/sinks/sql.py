"""Rows of a table in a real PostgreSQL, and of a folder of Parquet files by DuckDB."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from tests.support.postgresql import PASSWORD, PostgreSQL
from tests.support.sinks import SinkServer, UnavailableError

_COLUMNS = (
    "ts double precision, id text, version text, status integer, latency_ms double precision, "
    "score double precision, prediction integer, features json, text text, label integer"
)


class _Cursors:
    """Values of the cursor: rising ones, and late ones within the last minutes."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        self._last = time.time_ns() // 1000 - 300_000_000

    def take(self, number: int, *, late: bool) -> list[int]:
        if late:
            return [self._last - self._random.randint(1, 240_000_000) for _ in range(number)]
        first = max(self._last + 1, time.time_ns() // 1000 - 300_000_000)
        self._last = first + number - 1
        return list(range(first, self._last + 1))


class PostgresServer(SinkServer):
    """A table with a column of times, an id and a JSON column; late rows are committed behind the cursor."""

    name = "postgresql"
    repeats = False
    secret = PASSWORD

    def __init__(self, folder: Path) -> None:
        try:
            self.postgres = PostgreSQL()
        except FileNotFoundError as error:
            raise UnavailableError(str(error)) from None
        self._password = folder / "password"
        self.accept()
        self._number = 0
        self.begin()

    def begin(self) -> None:
        self._number += 1
        self._cursors = _Cursors()
        self.table = f"log_{self._number}"
        self.postgres.run(
            f"CREATE TABLE {self.table} (at timestamptz, {_COLUMNS})", f"CREATE INDEX ON {self.table} (at)"
        )

    def sink(self) -> dict[str, Any]:
        query = f"SELECT * FROM {self.table}"
        keys = {"url": self.postgres.url, "query": query, "cursor": "at", "id": "id"}
        return {"sql": {**keys, "passwordFile": str(self._password)}}

    def append(self, records: Sequence[bytes], *, late: bool = False) -> None:
        cursors = self._cursors.take(len(records), late=late)
        rows = json.dumps(
            [
                {**json.loads(record), "at": f"{cursor // 1_000_000 - 946_684_800}.{cursor % 1_000_000:06d}"}
                for record, cursor in zip(records, cursors, strict=True)
            ]
        )
        names = ", ".join(column.split()[0] for column in _COLUMNS.split(", "))
        at = "timestamptz '2000-01-01Z' + at * interval '1 second'"
        statement = (
            f"INSERT INTO {self.table} SELECT {at}, {names} "
            f"FROM json_to_recordset(CAST($1 AS json)) AS rows (at numeric, {_COLUMNS})"
        )
        with self.postgres.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, (rows,))
            connection.commit()

    def refuse(self) -> None:
        self._password.write_text("wrong " + PASSWORD)

    def accept(self) -> None:
        self._password.write_text(PASSWORD + "\n")

    def stop(self) -> None:
        self.postgres.stop()

    def start(self) -> None:
        self.postgres.start()

    def close(self) -> None:
        self.postgres.close()


class ParquetServer(SinkServer):
    """A folder of Parquet files, one for each append, without ids; it is gone while it has another name."""

    name = "sql-parquet"
    repeats = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = self._files = 0
        self.begin()

    def begin(self) -> None:
        self._number += 1
        self._cursors = _Cursors()
        self._logs = self._folder / f"logs {self._number}"
        self._logs.mkdir()
        self._write([], [])

    def sink(self) -> dict[str, Any]:
        return {
            "sql": {
                "url": "duckdb://",
                "query": f"SELECT * FROM read_parquet('{self._logs}/*.parquet')",
                "cursor": "at",
            }
        }

    def append(self, records: Sequence[bytes], *, late: bool = False) -> None:
        self._write([json.loads(record) for record in records], self._cursors.take(len(records), late=late))

    def _write(self, records: Sequence[dict[str, Any]], cursors: Sequence[int]) -> None:
        self._files += 1
        types = {"double precision": pyarrow.float64(), "integer": pyarrow.int32(), "text": pyarrow.string()}
        features = pyarrow.struct([("amount", pyarrow.float64()), ("country", pyarrow.string())])
        columns = (column.partition(" ") for column in _COLUMNS.split(", "))
        schema = pyarrow.schema(
            [
                ("at", pyarrow.timestamp("us", "UTC")),
                *((name, types.get(kind, features)) for name, _, kind in columns),
            ]
        )
        rows = [{**record, "at": at} for record, at in zip(records, cursors, strict=True)]
        new = self._logs / f"{self._files}.new"
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema), new)
        new.rename(new.with_suffix(".parquet"))

    def stop(self) -> None:
        self._logs.rename(self._away)

    def start(self) -> None:
        self._away.rename(self._logs)

    @property
    def _away(self) -> Path:
        return self._logs.with_name(f"{self._logs.name} away")

    def close(self) -> None:
        """Stop nothing: files need no server."""
