"""What is written with comments is read as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlslo.yamlfile import parse
from mlslo.yamlfile.commented import Block, Noted, dump, one_line

SPECIAL = [
    "a: b", "# no", "- x", "'", '"', "null", "yes", "1e3", "1_0", "0x1", "a\nb", "a\n  b\n", "\n", " a\nb",
    "{{.window}}", "[a", "é\u2028x", "\t", "*", "!x",
]  # fmt: skip
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
TEXTS = st.text(CHARACTERS, min_size=1, max_size=30) | st.sampled_from(SPECIAL)
SCALARS = (
    TEXTS
    | st.integers(-(10**9), 10**9)
    | st.booleans()
    | st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
)


def block(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    inner = children | st.tuples(children, TEXTS).map(lambda pair: Noted(*pair))
    return (
        st.dictionaries(TEXTS, inner, min_size=1, max_size=4).map(Block)
        | st.dictionaries(TEXTS, SCALARS, max_size=3)
        | st.lists(st.dictionaries(TEXTS, SCALARS, min_size=1, max_size=3).map(Block), min_size=1, max_size=3)
        | st.lists(SCALARS, max_size=3)
    )


BLOCKS = st.dictionaries(TEXTS, st.recursive(SCALARS, block, max_leaves=12), min_size=1, max_size=5)


def without_notes(value: Any) -> Any:
    if isinstance(value, Noted):
        return without_notes(value.value)
    if isinstance(value, dict):
        return {key: without_notes(inner) for key, inner in value.items()}
    return [without_notes(inner) for inner in value] if isinstance(value, list) else value


@given(BLOCKS, TEXTS)
def test_it_is_read_as_it_was_written(data: dict[str, Any], comment: str) -> None:
    written = Block(data)
    written.comment(comment)
    assert parse(Path("file"), dump(written)).data == without_notes(data)


@given(TEXTS)
def test_text_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) == 1
    assert parse(Path("file"), f"a: {one_line(text)}\n").data == {"a": text}


def test_how_it_looks() -> None:
    data = Block({"a": Noted(1, "a number"), "b": Block({"c": {"d": [1, 2]}})})
    data.comment()
    data["e"] = [Block({"f": 1, "g": 2}), {"h": 3}]
    data["i"] = "x\ny"
    lines = ["a: 1" + 41 * " " + "# a number", "b:", "  c: {d: [1, 2]}", "", "e:"]
    assert dump(data).splitlines() == [*lines, "  - f: 1", "    g: 2", "  - {h: 3}", "i: |-", "  x", "  y"]
