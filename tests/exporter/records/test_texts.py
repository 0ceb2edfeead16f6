"""Texts that hold JSON in the way of a path are opened, wherever in a batch they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exporter.records.texts import Texts

FEATURES = {"a": 1, "b": "x"}


def lines(*records: dict[str, Any], separators: tuple[str, str] = (", ", ": ")) -> bytes:
    return b"".join(json.dumps(record, separators=separators).encode() + b"\n" for record in records)


def opened(name: str, content: bytes) -> list[Any]:
    found = bytes(Texts([f"{name}.of"]).opened(content)).splitlines()
    return [json.loads(line).get(name) for line in found]


@pytest.mark.parametrize("name", ["request", "größe", "a b"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize(
    "before",
    [[], 20 * [{"status": 500}], [{"pad": 70_000 * "x"}]],
    ids=["first", "behind errors", "behind a long record"],
)
def test_a_text_is_opened(name: str, separators: tuple[str, str], before: list[dict[str, Any]]) -> None:
    records = [*before, {name: json.dumps({"of": FEATURES})}]
    assert opened(name, lines(*records, separators=separators))[-1] == {"of": FEATURES}


def test_a_name_is_found_as_utf_8() -> None:
    record = json.dumps({"größe": json.dumps({"of": 1})}, ensure_ascii=False)
    assert opened("größe", f"{record}\n".encode()) == [{"of": 1}]


def test_plain_lines_are_returned_as_they_are() -> None:
    content = lines({"request": {"of": FEATURES}}, {"pad": "request"}, {"request": None})
    assert Texts(["request.of"]).opened(content) is content
