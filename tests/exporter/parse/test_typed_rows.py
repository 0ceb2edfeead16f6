"""Rows of Parquet are read without their lines, and give what their lines would."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import pytest

from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import Parser
from exporter.parse.typed_rows import TypedRows
from exporter.sinks.parquet import ParquetFile

QUERY = """SELECT range AS whole, CASE WHEN range % 7 > 0 THEN range / 3 END AS real, (range / 7)::FLOAT AS single,
    CASE range % 5 WHEN 0 THEN 'nan' WHEN 1 THEN 'inf' ELSE '1.5' END::DOUBLE AS odd, 'x"é' || range AS text,
    range % 2 = 0 AS flag, (range * 1.25)::DECIMAL(12, 2) AS money, range::VARCHAR AS digits,
    TIMESTAMP '2026-01-10 01:02:03.5' + INTERVAL (range) SECOND AS plain, DATE '2026-01-10' AS day,
    TIMESTAMPTZ '2026-01-10 01:02:03+02' AS zoned, ['a', 'b'] AS list, '{"inner": 1}' AS packed,
    CASE WHEN range % 3 > 0 THEN {'n': range / 9, 'c': 'v' || range % 4, 'deep': {'t': TIMESTAMP_NS '2026-01-10'}} END
    AS features, range * 2 AS "dotted.key",
    CASE range % 4 WHEN 0 THEN 1e20 WHEN 1 THEN 1e-9 WHEN 2 THEN 1767225600.018 ELSE -0.0 END::DOUBLE AS huge
    FROM range(3000)"""

DIRECT = [
    "whole",
    "real",
    "single",
    "odd",
    "text",
    "flag",
    "plain",
    "zoned",
    "day",
    "features.n",
    "features.c",
]
DIRECT += ["features.deep.t", "features.nothing", "dotted.key", "nowhere", "huge", "money"]


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[TypedRows]:
    path = tmp_path / "a.parquet"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({QUERY}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    descriptor = os.open(path, os.O_RDONLY)
    yield ParquetFile(descriptor).typed(100)[0]
    os.close(descriptor)


def request(paths: FieldPaths, texts: list[str], numbers: list[str]) -> Mapping[str, str]:
    return {
        **{f"text {path}": paths.text(path) for path in texts},
        **{f"number {path}": paths.number(path) for path in numbers},
    }


@pytest.mark.parametrize(
    ("texts", "numbers", "direct"),
    [
        (DIRECT, [], True),
        (
            [],
            ["money", "whole", "real", "single", "odd", "flag", "features.n", "dotted.key", "nowhere"],
            True,
        ),
        (["text", "features.c", "plain"], ["real", "features.n"], True),
        *[([path], [], False) for path in ("list", "packed.inner", "features")],
        ([], ["digits"], False),
        (["list.0"], [], False),
    ],
)
def test_columns_are_those_of_the_lines(
    texts: list[str], numbers: list[str], direct: bool, rows: TypedRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_these(paths: FieldPaths) -> Mapping[str, str]:
        return request(paths, texts, numbers)

    with closing(Parser(of_these)) as parser:
        expected, _ = parser.select(bytes(rows))
        of_others = parser.again(lambda paths: {"x": paths.text("text")})
    with closing(Parser(of_these)) as parser:
        as_lines: list[TypedRows] = []
        lines_of = TypedRows.__bytes__

        def noted(self: TypedRows) -> bytes:
            as_lines.append(self)
            return lines_of(self)

        monkeypatch.setattr(TypedRows, "__bytes__", noted)
        found, too_long = parser.select(rows)
        assert not too_long
        assert bool(as_lines) != direct
        np.testing.assert_array_equal(
            parser.again(lambda paths: {"x": paths.text("text")})["x"], of_others["x"]
        )
    assert found.keys() == expected.keys()
    for name, column in expected.items():
        assert len(column) == len(rows) == 2900
        np.testing.assert_array_equal(np.ma.getmaskarray(found[name]), np.ma.getmaskarray(column), name)
        np.testing.assert_array_equal(np.ma.compressed(found[name]), np.ma.compressed(column), name)


def test_single_rows_come_as_lines(rows: TypedRows) -> None:
    lines = bytes(rows).splitlines()
    assert rows.at([3, 7]).splitlines() == [lines[3], lines[7]]
    assert rows.at(range(2)).splitlines() == lines[:2]


def test_what_may_be_text_is_told(rows: TypedRows) -> None:
    assert [rows.is_text(path) for path in ("packed", "features", "features.c", "features.deep", "none")] == [
        True,
        False,
        True,
        False,
        False,
    ]
