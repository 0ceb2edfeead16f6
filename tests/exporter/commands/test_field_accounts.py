"""The account of a path: found as the decoder finds it, and the nearest of those that there are."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.parse.json_lines import Parser
from exporter.records.accounts.field_accounts import MappedField, Records
from exporter.records.accounts.nearest_paths import nearest, paths_of

VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.text("xé", max_size=2) | st.just([1])
KEYS = st.sampled_from(["a", "b", "a.b", "b.a"])
OBJECTS: Any = st.dictionaries(
    KEYS,
    st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=4),
    max_size=3,
)
PATHS = st.sampled_from(
    [("", "a"), ("", "a.b"), ("", "b.a.b"), ("a", "b"), ("a", "b.a"), ("a.b", "a"), ("b", "a.b")]
)


@given(st.lists(OBJECTS, min_size=1, max_size=6), PATHS)
def test_a_field_is_found_as_the_decoder_finds_it(
    records: list[dict[str, Any]], path: tuple[str, str]
) -> None:
    container, name = path
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    with closing(Parser(lambda paths: {"found": paths.member(container or None, name)})) as parser:
        columns, _ = parser.select(lines)
    decoded = int(np.count_nonzero(~np.ma.getmaskarray(columns["found"])))
    (account,) = Records(lines, [MappedField(name, name, name, container=container)]).accounts
    assert account.there - account.types["null"] == decoded


PREDICTIONS = {
    "ts": Counter(text=9),
    "meta.id": Counter(text=9),
    "meta": Counter(object=9),
    "out": Counter(object=9),
    "out.Score": Counter(number=9),
    "out.label": Counter(text=9),
    "out.spread": Counter(number=9),
    "explain.score": Counter(list=9),
    "explain": Counter(object=9),
}


@pytest.mark.parametrize(
    ("path", "fits", "expected"),
    [
        ("out.score", ("number",), ["out.Score"]),  # the case
        ("score", ("number",), ["out.Score"]),  # one level up
        ("out.model.score", ("number",), ["out.Score"]),  # one level down
        ("score", ("list",), ["explain.score"]),  # of a type that can be read
        ("meta.identity", ("text",), ["meta.id"]),  # the same object
        ("out.scores", ("number",), ["out.Score", "out.spread"]),  # the spelling
        (
            "out.value",
            ("number", "text"),
            ["out.Score", "out.spread", "out.label"],
        ),  # the likelier type first
        ("time", ("text",), ["ts"]),
        ("outputs", ("object",), ["out", "meta", "explain"]),
        ("meta.created.at", ("number",), ["meta.id"]),  # the nearest object around it, whatever the type
        ("x" * 500, ("boolean",), ["ts", "out", "meta"]),
    ],
)
def test_the_nearest_paths(path: str, fits: tuple[str, ...], expected: list[str]) -> None:
    assert nearest(path, fits, PREDICTIONS, ()) == expected


def test_paths_of_other_fields_are_named_for_their_last_key_only() -> None:
    assert nearest("out.spred", ("number",), PREDICTIONS, ["out.spread"]) == ["out.Score"]
    assert nearest("spread", ("number",), PREDICTIONS, ["out.spread"]) == ["out.spread"]


def test_paths_that_cannot_be_mapped_are_not_named() -> None:
    """Below the first key, a dot in a key is none that a path can write; and no key is blank."""
    record = {"a": {"b.c": 1, "d": 2, " ": 3}, "e.f": 4, "": 5}
    assert set(paths_of([record])) == {"a", "a.d", "e.f"}


def test_records_that_are_objects_of_ids_cost_no_more_than_others() -> None:
    records = [{f"id{number}-{key}": {"x": 1} for key in range(20)} for number in range(1000)]
    assert len(paths_of(records)) == 2000


def test_a_bottomless_record_is_walked_to_some_depth() -> None:
    record: dict[str, Any] = {}
    for _ in range(500):
        record = {"a": record}
    assert max(path.count(".") for path in paths_of([record])) < 20


def test_ids_are_found_however_they_are_written() -> None:
    lines = b'{"number": 5.0, "key": "x"}\n{"number": 6, "key": "y"}\n'
    assert Records(lines).path_of({"5", "6"}) == "number"
    assert Records(lines).path_of({"7", "8", "9"}) is None
