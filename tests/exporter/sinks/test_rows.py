"""Rows of CSV: every one exactly once, with the header that it is below, wherever reading was interrupted."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

from exporter.sinks.content import Block
from exporter.sinks.files import FileSink
from exporter.sinks.rows import MISSING, CsvRows


def rows(text: str | bytes, *, quiet: bool = True) -> tuple[list[dict[str, Any]], int]:
    """Return the rows as objects, and how many were none."""
    content = bytearray(text if isinstance(text, bytes) else text.encode())
    cut = CsvRows().cut(Block(content, 0, len(content)), full=False, final=False, quiet=quiet)
    return [json.loads(line) for line in cut.lines.tobytes().splitlines()], cut.rejected.get("malformed", 0)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1", 1),
        ("-1.50", -1.5),
        ("1e+16", 1e16),
        ("1.0E10", 1e10),
        ("123456789012345678", 123456789012345678),
        # Ids: a number would be another one, or lose digits.
        ("007", "007"),
        ("-0123", "-0123"),
        ("12e5", "12e5"),
        ("1234567890123456789", "1234567890123456789"),
        ("+1", "+1"),
        ("1_000", "1_000"),
        ("True", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("2026-01-10T00:00:00Z", "2026-01-10T00:00:00Z"),
        ('"a, ""b""\n\tc"', 'a, "b"\n\tc'),
        ("inf", "inf"),
        *((item, None) for item in sorted(MISSING)),
        ("nothing", "nothing"),
    ],
)
def test_values(written: str, read: Any) -> None:
    assert rows(f"a,b\n{written},x\n") == ([{"a": read, "b": "x"}], 0)
    # Beside numbers, and beside text.
    assert rows(f"a,b\n1,x\n{written},y\nz,z\n")[0][1]["a"] == read


def test_a_decimal_comma_where_semicolons_separate() -> None:
    assert rows("a;b\n1,5;-0,25\n1.5;x\n1.234,5;7\n") == (
        [{"a": 1.5, "b": -0.25}, {"a": 1.5, "b": "x"}, {"a": "1.234,5", "b": 7}],
        0,
    )
    assert rows('a,b\n"1,5",2\n') == ([{"a": "1,5", "b": 2}], 0)


def test_a_header_again_and_another_one() -> None:
    text = "ts,a,b\n1,2,3\nts,a,b\n4,5,6\nts,b,new,a\n7,8,9,10\n11,12,13\n"
    assert rows(text) == (
        [{"ts": 1, "a": 2, "b": 3}, {"ts": 4, "a": 5, "b": 6}, {"ts": 7, "b": 8, "new": 9, "a": 10}],
        1,
    )


def test_columns_without_a_name_or_with_one_twice() -> None:
    assert rows(",a,%s,a\n0,1,2,3\n") == ([{"a": 1, "%s": 2}], 0)


@pytest.mark.parametrize(
    ("text", "malformed", "read"),
    [
        ('a,b\n1,2\n"3" x,4\n5,6\n', 1, [1, 5]),
        ('a,b\n1,2\n3,"4\n5,6\n7,8\n', 1, [1, 5, 7]),
        ('a,b\n1,2\n3,"4\n5,6\n7,"8"\n', 1, [1, 5, 7]),
        (b"a,b\n1,2\n3,\xff\n5,6\n", 1, [1, 5]),
        ("a,b\n1,2\n\n3,4\n", 0, [1, 3]),
        ("a,b\n1,2,3\n4\n5,6\n", 2, [5]),
        ('a,b\n1,2\n3,"' + "x" * 200_000 + "\n5,6\n", 1, [1, 5]),
        (b"a,b\n1,2\n\x00,\x00\n5,6\n", 0, [1, "\x00", 5]),
    ],
)
def test_rows_that_are_none(text: str | bytes, malformed: int, read: list[Any]) -> None:
    found, number = rows(text)
    assert ([row["a"] for row in found], number) == (read, malformed)


def test_a_quoted_newline_waits_for_its_end() -> None:
    assert rows('a,b\n1,2\n3,"4\n5,6\n', quiet=False) == ([{"a": 1, "b": 2}], 0)


@pytest.mark.parametrize("seed", range(20))
def test_every_row_once_however_it_is_read(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written in pieces, read between them, restarted in the middle; headers change."""
    chance = random.Random(seed)
    monkeypatch.setattr(CsvRows, "most", chance.choice([300, 4 << 20]))
    output = io.StringIO()
    expected: list[dict[str, Any]] = []
    writer = csv.writer(output, delimiter=chance.choice(",;\t"), lineterminator=chance.choice(["\n", "\r\n"]))
    names = ["n", "text"]
    for number in range(300):
        if number == 0 or chance.random() < 0.02:
            names = [*names, f"c{number}"] if chance.random() < 0.5 else names
            writer.writerow(names)
        row = {name: f"{chance.choice('ab,;é')}\n{number}" for name in names} | {"n": number}
        writer.writerow(row.values())
        expected.append(row)
    content = output.getvalue().encode()
    log = tmp_path / "log.csv"
    positions: dict[str, str] = {}
    found: list[dict[str, Any]] = []
    sink = FileSink(log, positions)
    written, interrupted = 0, False
    while written < len(content):
        written += chance.randint(1, 400)
        log.write_bytes(content[:written])
        for batch in sink.batches():
            if interrupted := chance.random() < 0.1:
                break
            found += map(json.loads, batch.lines.tobytes().splitlines())
            assert not batch.rejected
            positions.update(batch.positions)
        if interrupted or chance.random() < 0.3:
            sink.close()
            sink = FileSink(log, positions)
    for batch in sink.batches():
        found += map(json.loads, batch.lines.tobytes().splitlines())
    assert found == expected
    assert sink.lag() == 0
    sink.close()
