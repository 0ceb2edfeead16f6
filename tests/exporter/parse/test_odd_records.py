"""No record, however odd, ends a cycle or shifts the values of another, whichever way the paths go."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import Parser, Request

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(-1e6, 1e6).map(lambda number: round(number, 4)),
    st.sampled_from(["", "0.5", "x", "[0.5]", '["a"]', "]", '"', "\\", "é", "1e3", "{", "a,b", "null"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["0", "1", "a", "b.0", "~/"]), inner, max_size=3),
    ),
    max_leaves=12,
)
RECORDS = st.one_of(
    st.dictionaries(st.sampled_from(["v", "w", "u", "v.0", "u.a", "v.1.0"]), VALUES, max_size=4),
    VALUES,
    st.integers(1, 300).map(lambda depth: json.loads('{"v": ' + "[" * depth + "1" + "]" * depth + "}")),
)
PATHS = ["v", "v.0", "u.a", "v.1.0", "v.0.a.1"]
NAMES = 3


def at(record: Any, path: str) -> Any:
    """The value at a path of nested objects and lists, by a plain reading of what the documentation says."""
    found: Any = record
    for position, part in enumerate(path.split(".")):
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and position and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found


def single(value: Any) -> Any:
    inner = value
    while isinstance(inner, list) and len(inner) == 1:
        (inner,) = inner
    return value if isinstance(inner, list | dict) else inner


def number(value: Any) -> float | None:
    match single(value):
        case bool(flag):
            return float(flag)
        case int(found) | float(found):
            return float(found)
        case str(text):
            return {"0.5": 0.5, "1e3": 1000.0}.get(text)
    return None


def numbers(paths: FieldPaths) -> dict[str, str]:
    found = {path: paths.number(path) for path in PATHS}
    found |= {f"row {i}": paths.element("w", i, NAMES, "number") for i in range(NAMES)}
    return {**found, "misfits": paths.misfits("w", NAMES)}


def texts(paths: FieldPaths) -> dict[str, str]:
    return {path: paths.text(path) for path in PATHS}


def columns(request: Request, records: list[Any]) -> dict[str, list[Any]]:
    """The columns that a batch decodes to, the same when the parser has seen one with lists before."""
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    with closing(Parser(request)) as parser:
        first, _ = parser.select(lines)
        wrapped = dict.fromkeys(PATHS, 1)
        parser.select(json.dumps({**wrapped, "v": [[1]]}).encode() + b"\n")
        again, _ = parser.select(lines)
    found = {name: column.tolist() for name, column in first.items()}
    assert found == {name: column.tolist() for name, column in again.items()}
    assert {len(column) for column in found.values()} == {len(records)}
    return found


@given(st.lists(RECORDS, min_size=1, max_size=12))
def test_every_number_is_where_a_plain_reading_finds_it(records: list[Any]) -> None:
    found = columns(numbers, records)
    for row, record in enumerate(records):
        for path in PATHS:
            assert found[path][row] == accepted(record, path, number), (record, path)
        listed = record.get("w") if isinstance(record, dict) else None
        fits = isinstance(listed, list) and len(listed) == NAMES
        for position in range(NAMES):
            wanted = number(listed[position]) if isinstance(listed, list) and fits else None
            assert found[f"row {position}"][row] == wanted, record
        assert found["misfits"][row] == (listed is not None and not fits), record


@given(st.lists(RECORDS, min_size=1, max_size=12))
def test_every_text_is_where_a_plain_reading_finds_it(records: list[Any]) -> None:
    found = columns(texts, records)
    for row, record in enumerate(records):
        for path in PATHS:
            text = found[path][row]
            assert text == accepted(record, path, partial(text_of, found=text)), (record, path)


def accepted(record: Any, path: str, read: Callable[[Any], Any]) -> Any:
    """Return what is to be found: of a key that holds the dots itself what can be read, else of the nested value."""
    if not isinstance(record, dict):
        return None
    literal = read(record.get(path))
    return literal if literal is not None else read(at(record, path))


def text_of(value: Any, found: str | None) -> str | None:
    """The text of a value; of a number, and of a list or object, what was found, where it is the same as JSON."""
    value = single(value)
    if value is None or isinstance(value, str):
        return value
    return found if found is not None and json.loads(found) == value else json.dumps(value)
