"""Parquet files that appear in a folder: each is read once, when it is whole."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import duckdb
import pytest

from exporter.sinks import SinkError
from exporter.sinks.files import FileSink

LONG_AGO = 1_600_000_000


def write(path: Path, query: str) -> bytes:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    return path.read_bytes()


def numbered(path: Path, first: int, last: int) -> bytes:
    return write(path, f"SELECT range AS n, 'x' || range AS x FROM range({first}, {last})")


def read(sink: FileSink, positions: dict[str, str]) -> list[int]:
    found: list[int] = []
    for batch in sink.batches():
        found += [json.loads(line)["n"] for line in batch.lines.tobytes().splitlines()]
        positions.update(batch.positions)
    return found


def test_values(tmp_path: Path) -> None:
    write(
        tmp_path / "a.parquet",
        """SELECT 9007199254740993 AS id, 1.50::DECIMAL(9, 2) AS money, 0.1::DOUBLE AS score, 'nan'::DOUBLE AS nan,
        TIMESTAMP '2026-01-10 01:02:03.5' AS plain, TIMESTAMPTZ '2026-01-10 01:02:03+02' AS zoned,
        TIMESTAMP_MS '2026-01-10 01:02:03.004' AS ms, TIMESTAMP_NS '2026-01-10 01:02:03.000005' AS ns,
        [1.25::DECIMAL(9, 2), NULL] AS list, [[TIMESTAMP '2026-01-10']] AS times,
        NULL::STRUCT(t TIMESTAMP) AS none,
        {'a': {'b': TIMESTAMP '2026-01-10'}, 'it''s': ['inf'::FLOAT, 0.5]} AS nested,
        true AS flag, 'é"' AS "a text" """,
    )
    sink = FileSink(tmp_path / "*", {})
    (batch,) = sink.batches()
    assert json.loads(batch.lines.tobytes()) == {
        "id": 9007199254740993,
        "money": 1.5,
        "score": 0.1,
        "nan": None,
        "plain": "2026-01-10T01:02:03.500000Z",
        "zoned": "2026-01-09T23:02:03.000000Z",
        "ms": "2026-01-10T01:02:03.004000Z",
        "ns": "2026-01-10T01:02:03.000005Z",
        "list": [1.25, None],
        "times": [["2026-01-10T00:00:00.000000Z"]],
        "none": None,
        "nested": {"a": {"b": "2026-01-10T00:00:00.000000Z"}, "it's": [None, 0.5]},
        "flag": True,
        "a text": 'é"',
    }
    sink.close()


def test_a_half_written_file_waits(tmp_path: Path) -> None:
    whole = numbered(tmp_path / "whole", 0, 5000)
    positions: dict[str, str] = {}
    sink = FileSink(tmp_path / "*.parquet", positions)
    file = tmp_path / "a.parquet"
    for length in (0, 3, 4, 11, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert read(sink, positions) == []
        assert sink.lag() == length
    os.utime(file, (LONG_AGO, LONG_AGO))
    with pytest.raises(SinkError, match=r"a.parquet: no whole Parquet file: its footer is missing"):
        read(sink, positions)
    file.write_bytes(whole)
    assert read(sink, positions) == list(range(5000))
    assert read(sink, positions) == []
    assert sink.lag() == 0
    sink.close()


def test_each_is_read_once(tmp_path: Path) -> None:
    """Renamed, copied, replaced, restarted in the middle."""
    positions: dict[str, str] = {}
    folder = tmp_path / "logs"
    folder.mkdir()
    numbered(folder / "a.parquet", 0, 50_000)
    sink = FileSink(folder / "*.parquet", positions)
    first = next(iter(sink.batches()))
    positions.update(first.positions)
    found = [json.loads(line)["n"] for line in first.lines.tobytes().splitlines()]
    assert len(found) < 50_000
    sink.close()
    sink = FileSink(folder / "*.parquet", positions)
    found += read(sink, positions)
    assert found == list(range(50_000))
    (folder / "a.parquet").rename(folder / "b.parquet")
    assert read(sink, positions) == []
    shutil.copy(folder / "b.parquet", folder / "c.parquet")
    assert read(sink, positions) == []
    sink.close()
    (folder / "b.parquet").unlink()
    for _ in range(2):
        sink = FileSink(folder / "*.parquet", positions)
        assert read(sink, positions) == []
        assert sink.lag() == 0
        sink.close()
    sink = FileSink(folder / "*.parquet", positions)
    numbered(folder / "c.parquet", 0, 10)
    numbered(folder / "d.parquet", 10, 20)
    assert sorted(read(sink, positions)) == list(range(20))
    sink.close()
