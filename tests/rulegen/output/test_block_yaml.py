"""Our layout of YAML is PyYAML's, character for character."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rulegen.output.block_yaml import by_pyyaml, dump
from rulegen.output.generated_files import json_text

_HARD = st.text(
    alphabet=st.sampled_from("ab1.-?:#'\"\\[]{},&*!|>%@` \n\t\x07é€\x85\u2028\ufeff😀=~<"), max_size=12
)
_WORDS = st.sampled_from(
    ["", "yes", "NO", "null", "~", "1", "-1", "0x6", "1e3", ".5", "2001-01-01", "12:30", "=", "<<", "---",
     "- a", "a: b", "a #b", "a#b", "k:", ":a", "a\nb", "a\n\n  b", " a\nb", "a \nb", "a\n", "a\n\n",
     "sum(\n  x\n)\n/ 2"]
)  # fmt: skip
_TEXTS = _HARD | _WORDS | st.text(max_size=8)
_SCALARS = _TEXTS | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)
_DATA = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)
_DOCUMENTS = st.lists(_DATA, max_size=4) | st.dictionaries(_TEXTS, _DATA, max_size=4)


@settings(max_examples=200, deadline=None)
@given(_DOCUMENTS)
@example([[["a\nb"]], {"k": {"l": "a\n\nb"}}, {"k" * 130: 1}, {"a\nb": 1}, [{}], [[]], {}, ["a\n\n"]])
@example({})
@example([])
def test_it_is_what_pyyaml_writes(data: Any) -> None:
    assert dump(data) == by_pyyaml(data)


@settings(max_examples=500, deadline=None)
@given(_TEXTS)
def test_a_text_is_what_pyyaml_writes_and_reads(text: str) -> None:
    written = dump({"deep": [{"k": text}], "k": text})
    assert written == by_pyyaml({"deep": [{"k": text}], "k": text})
    # PyYAML itself does not read these as it wrote them.
    if not set(text) & set("\ufeff\x85\u2028\u2029"):
        assert yaml.safe_load(written)["k"] == text


def test_what_is_no_data_is_refused() -> None:
    with pytest.raises(yaml.YAMLError):
        dump({"k": object()})


@settings(max_examples=200, deadline=None)
@given(_DATA)
def test_json_is_what_json_writes(data: Any) -> None:
    assert json_text(data) == json.dumps(data, indent=2, ensure_ascii=False) + "\n"
