"""Values of messages as lines."""

import json

import pytest

from exporter.parse.json_lines import LONGEST_RECORD
from exporter.sinks.kafka.values import RejectedError, lines_of

_RECORD = {"id": "r1", "features": {"amount": 1.5, "note": "a\nb"}}


def test_each_value_is_a_line() -> None:
    lines, rejected = lines_of([b'{"id": "a"}', b'{"id": "b"}'], None)
    assert lines == b'{"id": "a"}\n{"id": "b"}\n'
    assert not +rejected


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_pretty_printed_value_is_one_line(ending: str) -> None:
    value = json.dumps(_RECORD, indent=2).replace("\n", ending or "\n") + ending
    lines, rejected = lines_of([value.encode(), b'{"id": "b"}\n'], None)
    assert list(map(json.loads, lines.splitlines())) == [_RECORD, {"id": "b"}]
    assert not +rejected


def test_a_value_of_several_records_is_several_lines() -> None:
    lines, rejected = lines_of([b'{"id": "a"}\n{"id": "b"}'], None)
    assert lines == b'{"id": "a"}\n{"id": "b"}\n'
    assert not +rejected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no_value"),
        (b"", "no_value"),
        (b" \n", "no_value"),
        (b"Traceback:\n  line 1\n  line 2", "not_a_record"),
        (b'{"id": "' + b"x" * LONGEST_RECORD + b'"}', "too_long"),
    ],
)
def test_what_is_no_record_is_counted_once(value: bytes | None, reason: str) -> None:
    lines, rejected = lines_of([b'{"id": "a"}', value, b'{"id": "b"}'], None)
    assert lines == b'{"id": "a"}\n{"id": "b"}\n'
    assert +rejected == {reason: 1}


def test_wrappings_are_taken_off_as_of_files() -> None:
    cri = b'2026-01-01T00:00:00.123456789Z stdout F {"id": "a"}'
    lines, rejected = lines_of([cri, b"ts=1767225600 id=b", b"a banner", b'INFO app: {"id": "c"}'], None)
    assert [json.loads(line)["id"] for line in lines.splitlines()] == ["a", "b", "c"]
    assert +rejected == {"not_a_record": 1}


def test_a_line_whose_last_piece_is_missing_is_counted() -> None:
    piece = b'2026-01-01T00:00:00Z stdout P {"id": '
    lines, rejected = lines_of([b"a banner", b'x {"id": "a"}', piece], None)
    assert lines == b'{"id": "a"}\n'
    assert rejected.total() == 2


def test_a_decoder_says_why_it_rejects() -> None:
    def decode(value: bytes) -> bytes:
        if value == b"?":
            raise RejectedError("unknown_schema")
        return b'{"id": "%s"}' % value

    lines, rejected = lines_of([b"a", b"?", None, b"b"], decode)
    assert lines == b'{"id": "a"}\n{"id": "b"}\n'
    assert +rejected == {"unknown_schema": 1, "no_value": 1}
    assert lines_of([], decode) == (b"", {})
