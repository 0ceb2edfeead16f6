"""A key that an object has twice: the first counts, whichever way a record is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.records.opening import opened_object
from tests.support.logs import EPOCH, EVERYTHING, monitor, once, value, write_lines, write_monitor

_TWICE = (
    '{"ts": %d, "id": "a", "score": 0.25, "kind": "x", "score": 1.0, "features": {"amount": 3, "amount": 9}}'
)
_PLAIN = _TWICE % (EPOCH + 60)
_WAYS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "plain": ("log.jsonl", _PLAIN, {}),
    "lists of one element": ("log.jsonl", _PLAIN.replace("0.25", "[0.25]").replace("1.0", "[1.0]"), {}),
    "records of another shape": ("log.jsonl", _PLAIN, {"where": {"kind": "x"}}),
    "Docker": (
        "log.jsonl",
        json.dumps({"log": _PLAIN + "\n", "stream": "stdout", "time": "2026-01-01T00:00:00Z"}),
        {},
    ),
    "logfmt": (
        "log.jsonl",
        f"ts={EPOCH + 60:.0f} id=a score=0.25 score=1.0 features.amount=3 features.amount=9",
        {},
    ),
    "CSV": (
        "log.csv",
        f"ts,id,score,score,features.amount,features.amount\n{EPOCH + 60:.0f},a,0.25,1.0,3,9",
        {"fields": {"timestamp": "ts", "id": "id", "score": "score", "features": ["features.amount"]}},
    ),
}


@pytest.mark.parametrize("way", _WAYS)
def test_the_first_of_two_equal_keys_counts(way: str, tmp_path: Path) -> None:
    name, text, changes = _WAYS[way]
    fields = {"timestamp": "ts", "id": "id", "score": "score", "features": "features"}
    predictions = {"sink": {"file": {"path": name}}, "fields": fields, **changes}
    feature = "features.amount" if way == "CSV" else "amount"
    write_lines(tmp_path / name, [text])
    path = write_monitor(
        tmp_path,
        monitor(
            labels=None,
            predictions=predictions,
            features={feature: {"type": "numeric"}},
            metrics=EVERYTHING,
        ),
    )
    gauges = once(path)
    assert value(gauges, "ml_prediction_mean") == 0.25
    assert value(gauges, "ml_feature_mean", feature=feature) == 3


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2, "b": {"a": 3}}',
        '{"a":1,"a":{"c":2},"b":{"a":3}}',
        '{"b": {"a": 3}, "a": 1, "b": 5, "a": [NaN]}',
        '{"a" : 1, "a" : 2, "b": {"a": 3}}',
    ],
)
def test_records_that_are_taken_apart(text: str) -> None:
    members = opened_object(text.encode())
    assert members is not None
    assert {key: json.loads(bytes(member)) for key, member in members.items()} == {"a": 1, "b": {"a": 3}}


def test_what_is_given_once_stays_as_it_was_written() -> None:
    text = b'{"a": 1.10, "b": {"a": "\\":", "c": [{"a": 12345678901234567890}]}}'
    members = opened_object(text)
    assert members is not None
    assert {key: bytes(member) for key, member in members.items()} == {"a": b"1.10", "b": text[17:-1]}
