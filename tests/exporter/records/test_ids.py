"""Ids of predictions and of labels are joined, however each log writes them."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from exporter.parse import sql
from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import Parser
from tests.support.logs import EPOCH, monitor, once, value, write_lines, write_monitor

# Each line: ids as JSON writes them, which are one.
SAME = [
    ["5", '"5"', "5.0", '"5.0"', "5.00"],
    ["0", '"0"', "0.0"],
    ["-7", '"-7"', "-7.0"],
    ["123456789012345", "123456789012345.0"],
    ["1234567890123456", "1234567890123456.0"],
    ["8999999999999999", "8999999999999999.0"],
    ["9007199254740993", '"9007199254740993"'],
    ["12345678901234567890123", '"12345678901234567890123"'],
]
APART = [
    "5", '"05"', '"5e0"', '"5.00"', '"05.0"', '"+5"', '" 5"', '"5."', "5.5", "50", "-5", '".0"', '"a.0"', '"5.0.0"',
    "9007199254740991", "9007199254740992", "9007199254740993", "9007199254740993.0", "9007199254740994",
    "12345678901234567", "12345678901234567.0", "18446744073709551615", "18446744073709551616", "1e20", "true",
    '"x"', '"X"', '"1e20"', '"9007199254740993.0"', "100000000000000000000",
]  # fmt: skip


def hashes(ids: list[str]) -> list[Any]:
    paths = FieldPaths()
    with closing(Parser({"id": sql.identity(paths.text("id"))}, paths)) as parser:
        columns, _ = parser.select("".join(f'{{"id": {text}}}\n' for text in ids).encode())
    found: list[Any] = columns["id"].tolist()
    return found


def test_logs_that_write_ids_differently_are_joined(tmp_path: Path) -> None:
    """Floats in one, as pandas writes a column with a gap; whole numbers or text in the other."""
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        ({"ts": EPOCH + i, "id": (float, int, str)[i % 3](i), "score": 0.9} for i in range(90)),
    )
    write_lines(
        tmp_path / "logs/labels.jsonl",
        ({"id": (float, int, str)[i // 3 % 3](i), "label": 1} for i in range(90)),
    )
    gauges = once(write_monitor(tmp_path, monitor()))
    assert value(gauges, "ml_label_coverage_ratio") == 1
    assert value(gauges, "ml_labels_unmatched_total") == 0
    assert value(gauges, "ml_model_accuracy") == 1


@pytest.mark.parametrize("same", SAME, ids=[same[0] for same in SAME])
def test_one_id(same: list[str]) -> None:
    assert len(set(hashes(same))) == 1


def test_ids_apart() -> None:
    found = hashes(APART)
    assert len(set(found)) == len(found)


def test_hashes_are_those_of_the_text() -> None:
    """State files hold them: they may not change."""
    texts = {"r1": '"r1"', "17": "17.0", "2.5": "2.5", "05.0": '"05.0"'}
    expected = [int.from_bytes(hashlib.md5(text.encode()).digest()[8:], "little") for text in texts]
    assert hashes(list(texts.values())) == expected
