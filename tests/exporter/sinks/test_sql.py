"""What is of SQL alone: settings, types, ties, rows without a cursor, clocks, servers that do not answer, lakes."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pytest
import yaml

from exporter.sinks import SinkError, open_sink
from mlslo.yamlfile import InputError
from tests.support.lakes import append_delta, append_iceberg, change_iceberg, rewrite_delta
from tests.support.logs import monitor, once, value, write_monitor
from tests.support.paths import ROOT
from tests.support.postgresql import PASSWORD, PostgreSQL
from tests.support.sinks.reading import Reading, monitor_of

Read = Callable[..., Reading]

pytestmark = [pytest.mark.xdist_group("sink postgresql")]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgreSQL]:
    try:
        server = PostgreSQL()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with server:
        (server.folder / "given").write_text(PASSWORD)
        yield server


@pytest.fixture
def table(postgres: PostgreSQL) -> str:
    postgres.run("DROP TABLE IF EXISTS log CASCADE")
    return "log"


@pytest.fixture
def read(tmp_path: Path) -> Iterator[Read]:
    """Return what opens a sink over one state file."""
    with ExitStack() as opened:

        def start(sink: Mapping[str, Any]) -> Reading:
            opened.close()
            return opened.enter_context(closing(Reading({"sql": sink}, tmp_path, tmp_path / "state.sqlite")))

        yield start


def _of(server: PostgreSQL, query: str = "SELECT * FROM log", **keys: Any) -> dict[str, Any]:
    at = {"url": server.url, "passwordFile": str(server.folder / "given")}
    return {**at, "query": query, "cursor": "at", **keys}


def _sampled(sink: Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    monitored = monitor_of({"sql": sink}, folder)
    sample = open_sink(monitored, monitored.spec.predictions.sink, {}).sample(100)
    return [json.loads(line) for line in sample.lines.splitlines()]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"url": "postgresql://me:secret@host/db"},
            "a password in the url; expected it in a file that passwordFile names",
        ),
        ({"url": "postgresql://me@host/db?password=secret"}, "a password in the url"),
        ({"url": "postgres:secret"}, None),
        ({"url": "postgre://me:secret@host/db"}, "did you mean 'postgres'?"),
        ({"url": "duckdb://relative.db"}, "expected duckdb:///absolute/path"),
        (
            {"query": "DELETE FROM log"},
            "expected a query that begins with SELECT or WITH, got 'DELETE FROM log'",
        ),
        ({"query": "-- why\n UPDATE log SET a = 1"}, "expected a query that begins with SELECT"),
        ({"query": "/* why */ (SELECT 1)"}, None),
        ({"tables": {"t": "delta:/x"}}, "tables are read by duckdb://"),
        ({"url": "duckdb://", "tables": {"t": "hudi:/x"}}, "expected delta:path or iceberg:path"),
        ({"url": "duckdb://", "passwordFile": "x"}, "DuckDB has no users"),
        ({"lookback": "10 minutes"}, "expected a duration"),
        ({"lookback": -1}, "greater than or equal to 0"),
    ],
)
def test_settings_are_checked_before_anything_is_read(
    changed: dict[str, Any], message: str | None, tmp_path: Path
) -> None:
    sink = {"url": "postgresql://me@host/db", "query": "SELECT 1", "cursor": "at", **changed}
    if message is None:
        assert monitor_of({"sql": sink}, tmp_path)
        return
    with pytest.raises(InputError) as raised:
        monitor_of({"sql": sink}, tmp_path)
    (line,) = str(raised.value).splitlines()
    assert line.startswith(str(tmp_path / "monitor.yaml") + ":")
    assert message in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("keys", "place", "message"),
    [
        ({"query": "SELECT at,\n  scoer FROM log"}, "16:31:", 'column "scoer" does not exist'),
        ({"query": "SELECT * FROM lgo"}, "", 'relation "lgo" does not exist'),
        ({"cursor": "att"}, "", "the query has no column 'att', expected one of at, id; did you mean 'at'?"),
        ({"id": "ID"}, "", "the query has no column 'ID', expected one of at, id; did you mean 'id'?"),
        ({"cursor": "id"}, "", "expected a timestamp, a date or a whole number, 'id' is a VARCHAR"),
        ({"lookback": 5}, "", "expected a duration such as 10m, as the cursor is a time"),
        (
            {"query": "WITH x AS (DELETE FROM log RETURNING *) SELECT * FROM x"},
            "",
            "data-modifying statement",
        ),
        ({"query": "SELECT 1) AS x; DROP TABLE log; SELECT (1"}, "", "cannot insert multiple commands"),
        ({"query": "SELECT at, id, nextval('numbers') FROM log"}, "", "read-only transaction"),
    ],
)
def test_what_the_server_says_has_its_place_in_the_file(
    postgres: PostgreSQL, table: str, keys: dict[str, Any], place: str, message: str, tmp_path: Path
) -> None:
    postgres.run(
        f"CREATE TABLE {table} (at timestamptz, id text)", f"INSERT INTO {table} VALUES (now(), 'a')"
    )
    postgres.run("CREATE SEQUENCE IF NOT EXISTS numbers")
    monitored = monitor_of({"sql": _of(postgres, **keys)}, tmp_path)
    with pytest.raises(SinkError) as raised:
        list(open_sink(monitored, monitored.spec.predictions.sink, {}).batches())
    assert str(raised.value).startswith(f"{tmp_path / 'monitor.yaml'}:{place}")
    assert message in str(raised.value)


def test_types_of_postgresql_become_json(postgres: PostgreSQL, table: str, tmp_path: Path) -> None:
    columns = {
        "at": ("timestamptz", "'2026-01-10 00:00:00.123456+01'", "2026-01-09T23:00:00.123456+00:00"),
        "naive": ("timestamp", "'2026-01-10 12:00'", "2026-01-10T12:00:00"),
        "day": ("date", "'2026-01-10'", "2026-01-10"),
        "exact": ("numeric", "12345678901234567.125", 12345678901234567.125),
        "large": ("bigint", "9007199254740993", 9007199254740993),
        "real": ("double precision", "0.1", 0.1),
        "flag": ("boolean", "true", True),
        "name": ("text", "E'a\"\\n\\u00e9'", 'a"\né'),
        "uid": ("uuid", "'6f1c0b0e-0000-4000-8000-000000000001'", "6f1c0b0e-0000-4000-8000-000000000001"),
        "tree": ("jsonb", """'{"a": [1, {"b": null}]}'""", {"a": [1, {"b": None}]}),
        "written": ("json", "E'{\"a\":\\n  1.50}'", {"a": 1.5}),
        "list": ("integer[]", "'{1,NULL,3}'", [1, None, 3]),
        "pair": ("pair", "ROW(1, 'x')", {"number": 1, "word": "x"}),
        "empty": ("text", "NULL", None),
        "Odd name": ("text", "'q'", "q"),
    }
    postgres.run("DROP TYPE IF EXISTS pair CASCADE", "CREATE TYPE pair AS (number integer, word text)")
    declared = ", ".join(f'"{name}" {kind}' for name, (kind, *_) in columns.items())
    postgres.run(f"CREATE TABLE {table} ({declared})")
    postgres.run(f"INSERT INTO {table} VALUES ({', '.join(literal for _, literal, _ in columns.values())})")
    (found,) = _sampled(_of(postgres), tmp_path)
    assert found == {name: expected for name, (*_, expected) in columns.items()}


def test_types_of_duckdb_become_json(tmp_path: Path) -> None:
    query = (
        "SELECT TIMESTAMPTZ '2026-01-10 01:00:00.5+01' AS at, TIMESTAMP_NS '2026-01-10 12:00:00.123456' AS naive, "
        "DATE '2026-01-10' AS day, 9007199254740993 AS large, 'nan'::DOUBLE AS nothing, [1.5, 'inf'::DOUBLE] AS list, "
        "{'a': {'b': TIMESTAMP '2026-01-10'}} AS tree, '{\"a\": [1]}'::JSON AS json, MAP {'k': 1} AS map, "
        "1.25::DECIMAL(9, 2) AS exact"
    )
    (found,) = _sampled({"url": "duckdb://", "query": query, "cursor": "at"}, tmp_path)
    assert found == {
        "at": "2026-01-10T00:00:00.500000Z",
        "naive": "2026-01-10T12:00:00.123456",
        "day": "2026-01-10",
        "large": 9007199254740993,
        "nothing": None,
        "list": [1.5, None],
        "tree": {"a": {"b": "2026-01-10T00:00:00.000000"}},
        "json": {"a": [1]},
        "map": {"k": 1},
        "exact": 1.25,
    }


_KINDS = {
    "timestamptz": "timestamptz '2026-01-10Z' + {} * interval '1 second'",
    "date": "date '2026-01-10' + {}",
    "bigint": "{}",
}


@pytest.mark.parametrize(("kind", "with_id"), [("timestamptz", True), ("date", False), ("bigint", True)])
def test_ties_over_the_border_of_a_page_and_rows_that_are_equal(
    postgres: PostgreSQL, table: str, read: Read, kind: str, with_id: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 ids at each of 4 values, in pages of 11; three rows are there again, and two more come later."""
    monkeypatch.setattr("exporter.sinks.sql.sink._FIRST_ROWS", 11)
    monkeypatch.setattr("exporter.sinks.sql.sink._MOST_ROWS", 11)
    value_of = _KINDS[kind]
    postgres.run(
        f"CREATE TABLE {table} (at {kind}, id text)",
        f"INSERT INTO {table} SELECT {value_of.format('(g % 4)')}, 'r' || g FROM generate_series(1, 120) AS g",
        f"INSERT INTO {table} SELECT * FROM {table} WHERE id IN ('r7', 'r20', 'r120')",
    )
    sink = _of(postgres, **({"id": "id"} if with_id else {}))
    reading = read(sink)
    reading.cycle()
    expected = Counter({f"r{number}": 1 for number in range(1, 121)})
    again = Counter(["r7", "r20", "r120"])
    assert reading.counted() == (expected if with_id else expected + again)
    assert reading.passed_over() == ({"duplicate": 3} if with_id else {})
    assert reading.cycle() == 0
    postgres.run(
        f"INSERT INTO {table} SELECT * FROM {table} WHERE id = 'r34'",
        f"INSERT INTO {table} SELECT {value_of.format('2')}, 'late'",
    )
    reading = read(sink)
    assert [reading.cycle() for _ in range(3)] == [1 if with_id else 2, 0, 0]
    assert reading.counted()["late"] == 1
    assert reading.passed_over() == ({"duplicate": 4} if with_id else {})


def test_an_update_that_moves_the_cursor_is_a_new_record_and_another_is_none(
    postgres: PostgreSQL, table: str, read: Read
) -> None:
    postgres.run(f"CREATE TABLE {table} (at timestamptz DEFAULT now(), id text, label integer)")
    postgres.run(f"INSERT INTO {table} (id, label) VALUES ('a', 0), ('b', 0)")
    reading = read(_of(postgres, id="id"))
    assert reading.cycle() == 2
    postgres.run(
        f"UPDATE {table} SET label = 1 WHERE id = 'a'",
        f"UPDATE {table} SET label = 1, at = now() WHERE id = 'b'",
    )
    assert reading.cycle() == 1
    assert reading.counted() == {"a": 1, "b": 2}


def test_rows_without_a_cursor_are_counted_once(
    postgres: PostgreSQL, table: str, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sinks.sql.sink._UNPLACED_AGAIN", 0.0)
    postgres.run(f"CREATE TABLE {table} (at timestamptz, id text)")
    postgres.run(f"INSERT INTO {table} VALUES (NULL, 'a'), ('infinity', 'b'), (now(), 'c'), (now(), NULL)")
    sink = _of(postgres, id="id")
    assert [read(sink).cycle() for _ in range(2)] == [2, 0]
    assert read(sink).passed_over() == {"missing_cursor": 2}
    postgres.run(f"INSERT INTO {table} VALUES (NULL, 'd')")
    reading = read(sink)
    reading.cycle()
    assert reading.passed_over() == {"missing_cursor": 3}


def test_a_row_of_the_future_does_not_hide_those_of_the_present(
    postgres: PostgreSQL, table: str, read: Read
) -> None:
    postgres.run(f"CREATE TABLE {table} (at timestamptz, id text)")
    postgres.run(f"INSERT INTO {table} VALUES (now(), 'a'), ('2099-01-01', 'b')")
    reading = read(_of(postgres, id="id"))
    assert reading.cycle() == 2
    for number in range(3):
        postgres.run(f"INSERT INTO {table} VALUES (now(), 'present {number}')")
        reading = read(_of(postgres, id="id"))
        assert [reading.cycle(), reading.cycle()] == [1, 0]


def test_a_longer_lookback_counts_nothing_again_and_old_rows_are_forgotten(
    postgres: PostgreSQL, table: str, read: Read
) -> None:
    postgres.run(f"CREATE TABLE {table} (at bigint, id text)")
    postgres.run(f"INSERT INTO {table} SELECT g, 'r' || g FROM generate_series(1, 5000) AS g")
    reading = read(_of(postgres, id="id", lookback=100))
    assert reading.cycle() == 5000
    assert sum(map(len, reading.positions().values())) < 4000
    postgres.run(f"INSERT INTO {table} SELECT g, 'late ' || g FROM generate_series(4000, 5000, 100) AS g")
    reading = read(_of(postgres, id="id", lookback=3000))
    assert [reading.cycle(), reading.cycle()] == [2, 0]
    reading = read(_of(postgres, id="id", lookback=0))
    postgres.run(f"INSERT INTO {table} VALUES (5000, 'last')")
    assert reading.cycle() == 1


def test_too_much_to_remember_is_said(
    postgres: PostgreSQL,
    table: str,
    read: Read,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("exporter.sinks.lookback._MOST", 10)
    postgres.run(
        f"CREATE TABLE {table} (at bigint, id text)",
        f"INSERT INTO {table} SELECT g FROM generate_series(1, 50) AS g",
    )
    reading = read(_of(postgres))
    assert reading.cycle() == 0
    assert "more than 10 rows lie within the lookback" in caplog.text


@pytest.mark.slow
def test_a_server_that_does_not_answer_and_a_query_that_takes_too_long(
    postgres: PostgreSQL,
    table: str,
    read: Read,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("exporter.sinks.reader.random.uniform", lambda *_: 0.0)
    monkeypatch.setattr("exporter.sinks.sql.databases.database.SECONDS", -4.0)
    monkeypatch.setattr("exporter.sinks.sql.databases.postgresql.SECONDS", 0.5)
    monkeypatch.setattr("exporter.sinks.sql.databases.postgresql._SETTINGS", ("SET statement_timeout = 500",))
    postgres.run(
        f"CREATE TABLE {table} (at timestamptz, id text)", f"INSERT INTO {table} VALUES (now(), 'a')"
    )
    reading = read(_of(postgres, f"SELECT at, id, pg_sleep(9)::text AS x FROM {table}"))
    began = time.monotonic()
    reading.cycle()
    assert "no answer within 0.5 seconds: is there an index on 'at'?" in caplog.text
    reading = read(_of(postgres))
    assert reading.cycle() == 1
    postgres.freeze()
    try:
        reading.cycle()
        assert not reading.reader.up
        assert time.monotonic() - began < 15
    finally:
        postgres.thaw()
    postgres.run(f"INSERT INTO {table} VALUES (now(), 'b')")
    assert reading.cycle() == 1


def test_duckdb_reads_a_database_and_nothing_else(
    tmp_path: Path, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "my logs.db"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE log AS SELECT TIMESTAMP '2026-01-10' AS at, 'a' AS id")
    sink = {"url": "duckdb:my logs.db", "query": "SELECT * FROM log;", "cursor": "at", "id": "id"}
    reading = read(sink)
    assert [reading.cycle(), reading.cycle()] == [1, 0]
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO log VALUES (TIMESTAMP '2026-01-10', 'b')")
    assert reading.cycle() == 1
    for query, message in {
        "SELECT 1; DROP TABLE log": "expected one SELECT",
        "SELECT * FROM lgo": "Table with name lgo does not exist",
        "SELECT * FROM 'https://example.org/x.parquet'": "httpfs",
        "FROM log SELECT ida": 'Referenced column "ida" not found',
    }.items():
        read({**sink, "query": query}).cycle()
        assert message in caplog.text
        assert "monitor.yaml:" in caplog.text


def test_nanoseconds_and_many_files_in_pages(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sinks.sql.sink._FIRST_ROWS", 30)
    monkeypatch.setattr("exporter.sinks.sql.sink._MOST_ROWS", 30)
    monkeypatch.setattr("exporter.sinks.sql.databases.duck._AHEAD", 100)
    for file in range(4):
        at = "make_timestamp_ns(1768003200000000000 + n * 250)"
        rows = f"SELECT {at} AS at, 'r' || n AS id FROM range({file}, 1000, 4) AS t (n)"
        duckdb.sql(f"COPY ({rows}) TO '{tmp_path}/{file}.parquet'")
    reading = read({"url": "duckdb://", "query": "SELECT * FROM '*.parquet'", "cursor": "at", "id": "id"})
    assert [reading.cycle(), reading.cycle()] == [1000, 0]
    assert set(reading.counted().values()) == {1}
    duckdb.sql(
        f"COPY (SELECT make_timestamp_ns(1768003200000000001) AS at, 'late' AS id) TO '{tmp_path}/late.parquet'"
    )
    assert [reading.cycle(), reading.cycle()] == [1, 0]


def test_gauges_by_zone_and_without_nan(postgres: PostgreSQL, table: str, tmp_path: Path) -> None:
    """Naive times are of the log's zone, NaN is a missing value, and labels that are updated correct the outcome."""
    postgres.run(
        f"CREATE TABLE {table} (at timestamp, id text, score float, amount float)",
        f"INSERT INTO {table} SELECT timestamp '2026-01-10 01:30' + g * interval '1 second', 'r' || g, 0.9, "
        "CASE WHEN g % 4 = 0 THEN 'NaN' ELSE 1.5 END FROM generate_series(1, 100) AS g",
        "DROP TABLE IF EXISTS truth",
        f"CREATE TABLE truth AS SELECT at AT TIME ZONE 'Europe/Berlin' AS at, id, 1 AS label FROM {table}",
        "INSERT INTO truth SELECT at + interval '1 minute', id, 0 FROM truth WHERE id = 'r1'",
    )
    content = monitor(
        metrics={"include": ["ml_*"], "segments": ["ml_*"]}, features={"amount": {"type": "numeric"}}
    )
    spec = content["spec"]
    spec["predictions"] = {
        "sink": {"sql": _of(postgres, id="id")},
        "timezone": "Europe/Berlin",
        "fields": {"timestamp": "at", "id": "id", "score": "score", "features": ["amount"]},
    }
    truth = {"sql": _of(postgres, "SELECT * FROM truth", id="id")}
    spec["labels"] = {
        "sink": truth,
        "revisions": "last",
        "fields": {"id": "id", "label": "label", "timestamp": "at"},
    }
    gauges = once(write_monitor(tmp_path, content))
    assert value(gauges, "ml_monitor_samples", window="1h", segment="") == 100
    assert value(gauges, "ml_feature_missing_ratio", feature="amount", segment="") == 0.25
    assert value(gauges, "ml_model_accuracy", window="1h", segment="") == 0.99


def _rows(*ids: str, **columns: Any) -> pyarrow.Table:
    times = pyarrow.array([datetime(2026, 1, 10, tzinfo=UTC)] * len(ids), pyarrow.timestamp("us", "UTC"))
    return pyarrow.table({"id": [*ids], "at": times, **columns})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_a_table_of_a_lake_grows_and_gets_columns(kind: str, tmp_path: Path, read: Read) -> None:
    append = {"delta": append_delta, "iceberg": append_iceberg}[kind]
    sink = {
        "url": "duckdb://",
        "tables": {"log": f"{kind}:my table"},
        "query": "SELECT * FROM log",
        "cursor": "at",
        "id": "id",
    }
    append(tmp_path / "my table", _rows("a", "b"))
    reading = read(sink)
    assert [reading.cycle(), reading.cycle()] == [2, 0]
    append(tmp_path / "my table", _rows("c"))
    assert [reading.cycle(), reading.cycle()] == [1, 0]
    assert reading.counted() == Counter("abc")


def test_partitions_and_new_columns_of_delta(tmp_path: Path) -> None:
    append_delta(tmp_path / "log", _rows("a", "b", "c", day=["x y", "x/y", None]), partition_by=["day"])
    append_delta(tmp_path / "log", _rows("d", day=["z"], more=[1]), schema_mode="merge")
    sink = {
        "url": "duckdb://",
        "tables": {"log": "delta:log"},
        "query": "SELECT * FROM log",
        "cursor": "at",
        "id": "id",
    }
    found = {row["id"]: (row["day"], row["more"]) for row in _sampled(sink, tmp_path)}
    assert found == {"a": ("x y", None), "b": ("x/y", None), "c": (None, None), "d": ("z", 1)}


def _with_feature(name: str, **configuration: str) -> Callable[[dict[str, Any]], None]:
    """Return what has the first version of a Delta table use a feature, and map its columns where it is configured."""
    features = {"readerFeatures": [name], "writerFeatures": [name]}

    def change(action: dict[str, Any]) -> None:
        if "protocol" in action:
            action["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
        if "metaData" in action and configuration:
            action["metaData"]["configuration"] = configuration
            schema = json.loads(action["metaData"]["schemaString"])
            for number, field in enumerate(schema["fields"], 1):
                name = f"col-{number}"
                field["metadata"] = {
                    "delta.columnMapping.id": number,
                    "delta.columnMapping.physicalName": name,
                }
            action["metaData"]["schemaString"] = json.dumps(schema)

    return change


def _delete_by_vector(action: dict[str, Any]) -> None:
    """Delete six rows, by the example vector of Delta's protocol."""
    vector = "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L"
    if "add" in action:
        descriptor = {"storageType": "i", "pathOrInlineDv": vector, "sizeInBytes": 44, "cardinality": 6}
        action["add"]["deletionVector"] = descriptor


def _delete_by_file(table: Any) -> None:
    """Delete rows of an Iceberg table by a file of their positions."""
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    file = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=f"{table.location()}/deletes.parquet",
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=1,
        file_size_in_bytes=1,
        lower_bounds={},
        upper_bounds={},
    )
    file.spec_id = 0
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
        append.append_data_file(file)


def _rename_column(table: Any) -> None:
    with table.update_schema() as update:
        update.rename_column("more", "other")


def _refused(place: str, folder: Path) -> str:
    sink = {"url": "duckdb://", "tables": {"log": place}, "query": "SELECT * FROM log", "cursor": "at"}
    with pytest.raises(SinkError) as refused:
        _sampled(sink, folder)
    return str(refused.value)


def test_a_delta_table_that_cannot_be_read_exactly_is_refused(tmp_path: Path) -> None:
    log, place = tmp_path / "log", "delta:log"
    append_delta(log, _rows(*map(str, range(40))))
    # The feature alone changes nothing.
    for feature in ("columnMapping", "deletionVectors"):
        rewrite_delta(log, _with_feature(feature))
        sink = {"url": "duckdb://", "tables": {"log": place}, "query": "SELECT * FROM log", "cursor": "at"}
        assert _sampled(sink, tmp_path)
    rewrite_delta(log, _delete_by_vector)
    assert "uses Delta's deletionVectors" in _refused(place, tmp_path)
    append_delta(tmp_path / "mapped", _rows("a"))
    mapping = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "2"}
    rewrite_delta(tmp_path / "mapped", _with_feature("columnMapping", **mapping))
    assert "uses Delta's columnMapping" in _refused("delta:mapped", tmp_path)
    append_delta(tmp_path / "wider", _rows("a"))
    rewrite_delta(tmp_path / "wider", _with_feature("typeWidening"))
    assert "wider" in _refused("delta:wider", tmp_path)
    assert "nowhere cannot be read" in _refused("delta:nowhere", tmp_path)
    assert "expected a table in a folder of this machine" in _refused("delta:s3://bucket/log", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [(_delete_by_file, "rows are deleted by files"), (_rename_column, "columns were renamed")],
)
def test_an_iceberg_table_that_cannot_be_read_exactly_is_refused(
    change: Callable[[Any], None], message: str, tmp_path: Path
) -> None:
    assert "iceberg:log cannot be read" in _refused("iceberg:log", tmp_path)
    append_iceberg(tmp_path / "log", _rows("a", more=[1]))
    change_iceberg(tmp_path / "log", change)
    assert message in _refused("iceberg:log", tmp_path)


def _documented() -> list[dict[str, Any]]:
    """Return the monitor files of the page, by their order."""
    text = (ROOT / "docs" / "sinks" / "sql.md").read_text()
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def test_the_example_of_postgresql(postgres: PostgreSQL, table: str, tmp_path: Path) -> None:  # noqa: ARG001
    content, *_ = _documented()
    postgres.run(
        "DROP TABLE IF EXISTS predictions, chargebacks",
        "CREATE TABLE predictions AS SELECT timestamptz '2026-01-10 00:30Z' AS created_at, g AS prediction_id, "
        "0.75 AS score, "
        "jsonb_build_object('amount', g) AS features FROM generate_series(1, 300) AS g",
        "CREATE TABLE chargebacks AS SELECT prediction_id AS transaction_id, prediction_id % 3 > 0 AS is_fraud, "
        "created_at AS updated_at FROM predictions",
    )
    for log in ("predictions", "labels"):
        content["spec"][log]["sink"]["sql"] |= {
            "url": postgres.url,
            "passwordFile": str(postgres.folder / "given"),
        }
    gauges = once(write_monitor(tmp_path, content))
    assert value(gauges, "ml_monitor_samples", window="1h") == 300
    assert value(gauges, "ml_label_coverage_ratio", window="1h") == 1
    assert value(gauges, "ml_model_precision", window="1h") == pytest.approx(2 / 3)


def test_the_example_of_a_feature_store(tmp_path: Path) -> None:
    """Rows of Feast's shape: written hours after their event, in several materialisations."""
    *_, content = _documented()
    (tmp_path / "offline" / "driver_stats").mkdir(parents=True)
    duckdb.sql(
        "COPY (SELECT timestamptz '2026-01-10 00:00Z' - n * interval '1 minute' AS event_timestamp, "
        "timestamptz '2026-01-10 00:50Z' + (n % 3) * interval '1 minute' AS created, n % 7 AS driver_id, "
        "0.5 AS conv_rate, 0.9 AS acc_rate, n AS avg_daily_trips, 12.5 AS eta FROM range(1, 501) AS t (n)) "
        f"TO '{tmp_path}/offline/driver_stats/1.parquet'"
    )
    gauges = once(write_monitor(tmp_path, content))
    assert value(gauges, "ml_predictions_total") == 500
    assert value(gauges, "ml_prediction_mean", window="1d", segment="") == 12.5


def test_the_example_of_files(tmp_path: Path) -> None:
    _, content, _ = _documented()
    (tmp_path / "predictions").mkdir()
    duckdb.sql(
        "COPY (SELECT timestamptz '2026-01-10 00:30Z' AS event_timestamp, n AS transaction_id, 0.5 AS score, "
        "n AS amount, "
        f"'DE' AS country FROM range(300) AS t (n)) TO '{tmp_path}/predictions/1.parquet'"
    )
    gauges = once(write_monitor(tmp_path, content))
    assert value(gauges, "ml_predictions_total") == 300
