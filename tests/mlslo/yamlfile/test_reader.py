"""Reading: JSON is YAML, so that Python's json module is an oracle."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlslo.yamlfile import InputError, parse

PATH = Path("file.yaml")
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Co"], exclude_characters="\ufeff"),
    max_size=8,
)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def close(found: Any, data: Any) -> bool:
    if isinstance(data, float):
        return isinstance(found, int | float) and math.isclose(found, data)
    if isinstance(data, list):
        return len(found) == len(data) and all(map(close, found, data))
    if isinstance(data, dict):
        return found.keys() == data.keys() and all(close(found[key], data[key]) for key in data)
    return bool(found == data)


@given(DATA)
def test_json_is_read_as_python_reads_it(data: Any) -> None:
    assert close(parse(PATH, json.dumps(data, ensure_ascii=False)).data, data)


@pytest.mark.parametrize(
    ("content", "place"),
    [("a: 1\na: 2\n", "2:1"), ("a: *b\n", "1:4"), ("a: 1\n--- \nb: 2\n", "2:1"), ("a: !x 1\n", "1:4")],
)
def test_what_is_refused_has_a_place(content: str, place: str) -> None:
    with pytest.raises(InputError, match=f"file.yaml:{place}: "):
        parse(PATH, content)
