"""Plain records from records of any shape, and what does not fit."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.records.opening import content_of, opened_object
from exporter.records.rows import Conditions, Rows, Target, UnevenError
from tests.support.commands import exporter
from tests.support.logs import monitor, once, record, value, write_lines, write_monitor

Record = dict[str, Any]


def members(record: Record) -> Any:
    found = opened_object(json.dumps(record).encode())
    assert found is not None
    return found


def tensor(name: str, data: list[Any]) -> Record:
    return {"name": name, "shape": [len(data)], "data": data}


def rows(record: Record, *targets: Target) -> list[Record]:
    found, _ = Rows(targets).of(members(record))
    return [json.loads(row) for row in found]


def values(record: Record, path: str, **options: Any) -> list[Any]:
    """What is found at one path, a value for each row."""
    return [row["x"] for row in rows(record, Target("x", tuple(path.split(" | ")), **options))]


@pytest.mark.parametrize(
    ("path", "record", "expected"),
    [
        ("a", {"a": 1}, [1]),
        ("a.b", {"a": {"b": "text"}}, ["text"]),
        ("a.b", {"a.b": 1, "a": {"b": 2}}, [1]),
        ("a.b", {"a": 3}, [None]),
        ("a.1", {"a": [5, 6]}, [6]),
        ("a.7", {"a": [5, 6]}, [None]),
        ("a.b", {"a": [{"b": 1}]}, [1]),
        ("a", {"a": [[7]]}, [7]),
        ("a | b", {"b": 2}, [2]),
        ("a | b", {"a": None, "b": 2}, [2]),
        ("a | b", {"a": 1, "b": 2}, [1]),
        ("a.*", {"a": [1, 2]}, [1, 2]),
        ("a.*", {"a": [[1], [2]]}, [1, 2]),
        ("a.*", {"a": 5}, [5]),
        ("a.*.p.0", {"a": [{"p": [1, 2]}, {"p": [3, 4]}]}, [1, 3]),
        ("a.*.1", {"a": [[0.25, 0.75], [0.5, 0.5]]}, [0.75, 0.5]),
        # Text that holds JSON, CSV, or base64 of either.
        ("a.b", {"a": '{"b": 4}'}, [4]),
        ("a.b.c", {"a": '{"b": "{\\"c\\": 5}"}'}, [5]),
        ("a.*", {"a": "[1, 2]"}, [1, 2]),
        ("a.*", {"a": "0.25\n0.5\n"}, [0.25, 0.5]),
        ("a.*.1", {"a": '1,"x, y"\n2,NA'}, ["x, y", None]),
        ("a.b", {"a": base64.b64encode(b'{"b": 4}').decode()}, [4]),
        ("a.*", {"a": base64.b64encode(b"0.25\n0.5").decode()}, [0.25, 0.5]),
        ("a.*", {"a": "12345678"}, [12345678]),
        # Tables and tensors.
        ("a.*.u", {"a": {"columns": ["u", "v"], "data": [[1, 2], [3, 4]]}}, [1, 3]),
        ("a.*.u", {"a": {"names": ["u", "v"], "ndarray": [[1, 2], [3, 4]]}}, [1, 3]),
        ("a.*.u", {"a": {"names": ["u"], "tensor": {"shape": [2, 1], "values": [1, 3]}}}, [1, 3]),
        ("a.*.0", {"a": {"ndarray": [[1, 2], [3, 4]]}}, [1, 3]),
        ("a.*.u", {"a": {"u": [1, 3], "v": [2, 4]}}, [1, 3]),
        ("a.*.1", {"a": [{"name": "t", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}]}, [2, 4]),
        ("a.*.1", {"a": [{"name": "t", "shape": [2, 2], "data": [[1, 2], [3, 4]]}]}, [2, 4]),
        ("a.*.v", {"a": [tensor("u", [1, 2]), tensor("v", ["x", "y"])]}, ["x", "y"]),
        ("a.v.*", {"a": [tensor("u", [1]), tensor("v", [3, 4])]}, [3, 4]),
    ],
)  # fmt: skip
def test_what_is_at_a_path(path: str, record: Record, expected: list[Any]) -> None:
    assert values(record, path) == expected


def test_lists_of_several_paths_are_in_step_and_the_rest_is_repeated() -> None:
    record = {"t": 9, "in": [[1, "x"], [2, "y"]], "out": [0.5, 0.75]}
    found = rows(
        record,
        Target("t", ("t",)),
        Target("f", ("in.*",), names=("a", "b")),
        Target("score", ("out.*",)),
    )
    assert found == [
        {"t": 9, "f": {"a": 1, "b": "x"}, "score": 0.5},
        {"t": 9, "f": {"a": 2, "b": "y"}, "score": 0.75},
    ]


def test_an_answer_that_is_missing_leaves_the_rows_without_it() -> None:
    found = rows({"in": [1, 2]}, Target("a", ("in.*",)), Target("score", ("out.*",)))
    assert found == [{"a": 1, "score": None}, {"a": 2, "score": None}]


@pytest.mark.parametrize(("first", "second"), [([1, 2], [1]), ([], [])])
def test_lists_that_are_empty_or_not_as_long_as_each_other_are_refused(first: Any, second: Any) -> None:
    with pytest.raises(UnevenError):
        rows({"a": first, "b": second}, Target("a", ("a.*",)), Target("b", ("b.*",)))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": "x", "a": [1]}, ["x"]),
        ({"id": "x", "a": [1, 2]}, ["x/0", "x/1"]),
        ({"id": 5, "a": [1, 2]}, ["5/0", "5/1"]),
        ({"a": [1, 2]}, [None, None]),
    ],
)
def test_rows_of_one_record_have_ids_of_their_own(record: Record, expected: list[Any]) -> None:
    found = rows(record, Target("id", ("id",), numbered=True), Target("a", ("a.*",)))
    assert [row["id"] for row in found] == expected


def test_ids_in_step_stay_as_they_are() -> None:
    target = Target("x", ("ids.*", "id"), numbered=True)
    assert [row["x"] for row in rows({"ids": ["p", "q"]}, target)] == ["p", "q"]


@pytest.mark.parametrize(
    ("given", "expected", "misfits"),
    [
        ([1, 2], {"a": 1, "b": 2}, 0),
        ([[1, 2]], {"a": 1, "b": 2}, 0),
        ("[1, 2]", {"a": 1, "b": 2}, 0),
        ("1,2", {"a": 1, "b": 2}, 0),
        ({"b": 2, "a": 1, "c": 3}, {"a": 1, "b": 2}, 0),
        ({"a": 1}, {"a": 1, "b": None}, 0),
        ([1, 2, 3], None, 1),
        (7, None, 1),
        (None, None, 0),
    ],
)
def test_features_by_position_get_their_names(given: Any, expected: Any, misfits: int) -> None:
    target = Target("f", ("f",), opened=True, names=("a", "b"))
    found, number = Rows([target]).of(members({"f": given}))
    assert json.loads(found[0])["f"] == expected
    assert number == misfits


def test_numbers_come_through_as_they_were_written() -> None:
    line = b'{"id": 12345678901234567890, "x": 1.10000000000000000001, "y": [NaN]}'
    found = opened_object(line)
    assert found is not None
    (row,), _ = Rows([Target("id", ("id",)), Target("x", ("x",))]).of(opened_object(line[:-13] + b"}") or {})
    assert row == b'{"id":12345678901234567890,"x":1.10000000000000000001}\n'
    assert bytes(found["y"]) == b"[NaN]"


def test_a_name_with_a_percent_sign_is_a_name() -> None:
    assert rows({"a": [1, 2]}, Target("100%b", ("a",), names=("%b", "%"))) == [{"100%b": {"%b": 1, "%": 2}}]


@pytest.mark.parametrize(
    ("where", "chosen"),
    [
        ({"type": "request"}, True),
        ({"type": "response"}, False),
        ({"type": ["response", "request"]}, True),
        ({"meta.code": 7}, True),
        ({"meta.code": "7"}, True),
        ({"meta.ok": True}, True),
        ({"type": "request", "meta.code": 8}, False),
        ({"nowhere": "request"}, False),
    ],
)
def test_conditions(where: Record, chosen: bool) -> None:
    record = members({"type": "request", "meta": {"code": 7, "ok": True}})
    assert Conditions(where).hold(record) is chosen


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "data", "shape", "name", "columns"]), JSON))
def test_no_record_is_too_odd(record: Record) -> None:
    targets = (
        Target("x", ("a.b.*.0", "a"), opened=True),
        Target("y", ("a.*",), opened=True, names=("a", "b")),
        Target("id", ("data.*.a",), numbered=True),
    )
    try:
        found, _ = Rows(targets).of(members(record))
    except UnevenError:
        return
    for row in found:
        assert json.loads(row).keys() == {"x", "y", "id"}


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    found = content_of(text)
    if found is not None and not text.strip().startswith(("{", "[")):
        json.loads(found)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "once"])
def test_a_person_reads_the_paths_of_the_file(tmp_path: Path, command: str) -> None:
    """Of an id that repeats, and of a latency in another unit, records of another shape or not."""
    content = monitor(labels=None)
    content["spec"]["predictions"] |= {"where": {"kind": "scored"}}
    content["spec"]["predictions"]["fields"] |= {
        "id": "user",
        "latency": {"field": "latency_ms", "unit": "s"},
    }
    rows = [record(n, at=n, kind="scored", user=f"u{n % 3}", latency_ms=9e5) for n in range(200)]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    done = exporter(command, write_monitor(tmp_path, content), check=False)
    said = done.stdout + done.stderr
    assert "id 'user' repeats in 197 of 200 records" in said
    assert "latencies at 'latency_ms' are read as s" in said
    assert "mlslo:" not in said


@pytest.mark.slow
def test_a_segment_alone_may_have_alternatives(tmp_path: Path) -> None:
    content = monitor(labels=None, segments=["meta.region | country"], minSamples=10)
    places: list[Record] = [{"meta": {"region": "eu"}}, {"country": "de"}]
    write_lines(tmp_path / "logs/predictions.jsonl", [record(n, at=n) | places[n % 2] for n in range(100)])
    gauges = once(write_monitor(tmp_path, content))
    for region in ("eu", "de"):
        assert value(gauges, "ml_monitor_samples", segment_value=region) == 50
    assert value(gauges, "ml_feature_mean", feature="amount", segment="") == value(
        once(write_monitor(tmp_path, monitor(labels=None, minSamples=10))),
        "ml_feature_mean",
        feature="amount",
    )
