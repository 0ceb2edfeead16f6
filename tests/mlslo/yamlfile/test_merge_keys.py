"""Merge keys and the user's own keys: what they stand for, and where a mistake in it is."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mlslo.yamlfile import InputError, StrictModel, parse, validate

PATH = Path("file.yaml")


@pytest.mark.parametrize(
    "content",
    [
        "x-a: &a {b: 1, c: [2]}\nd:\n  <<: *a\n  b: 3\n",
        "x-a: &a {b: 1}\nx-b: &b {b: 2, c: 3}\nd: {<<: [*a, *b], e: 4}\n",
        "x-a: &a {b: 1}\nx-b: &b {<<: *a, c: {d: 5}}\nd: {e: 4, <<: *b}\n",
        "d: {<<: {b: 1, c: {e: 2}}, f: 3}\n",
        "d: {<<: []}\n",
    ],
)
def test_a_merge_key_stands_for_the_keys_that_pyyaml_merges(content: str) -> None:
    assert parse(PATH, content).data == yaml.safe_load(content)


def test_a_quoted_merge_key_is_a_key() -> None:
    assert parse(PATH, "'<<': {b: 1}\n").data == {"<<": {"b": 1}}


@pytest.mark.parametrize("value", ["1", "[1]", "[{a: 1}, x]", "text"])
def test_what_is_no_mapping_cannot_be_merged(value: str) -> None:
    with pytest.raises(
        InputError, match=r"file.yaml:2:3: expected a mapping, or a list of mappings, to merge"
    ):
        parse(PATH, f"d:\n  <<: {value}\n")


def place(content: str, *location: str | int, key: bool = False) -> str:
    problem = parse(PATH, content).problem(location, "x", key=key)
    return f"{problem.line}:{problem.column}"


def test_places_of_merged_keys_are_those_of_the_anchor() -> None:
    content = "x-a: &a\n  b: 1\n  c: [{d: 5}]\nx-o: &o {b: 7, g: 8}\nd:\n  <<: [*a, *o]\n  e: 4\n"
    assert place(content, "d", "b") == "2:6"
    assert place(content, "d", "c", 0, "d", key=True) == "3:8"
    assert place(content, "d", "g") == "4:19"
    assert place(content, "d", "e") == "7:6"


class Inner(StrictModel):
    b: int


class Whole(StrictModel):
    d: Inner


def validated(content: str) -> Any:
    return validate(parse(PATH, content), Whole)


def test_keys_at_the_top_that_begin_with_x_are_the_users_own() -> None:
    assert validated("x-any: {anything: 1}\nd: {b: 1}\n").d.b == 1
    with pytest.raises(InputError, match="unknown key 'x-b'"):
        validated("d: {b: 1, x-b: 1}\n")
    with pytest.raises(InputError, match="unknown key 'y-any'"):
        validated("y-any: 1\nd: {b: 1}\n")


def test_a_mistake_in_what_is_merged_is_named_where_it_stands() -> None:
    with pytest.raises(InputError) as caught:
        validated("x-a: &a\n  b: text\nd: {<<: *a}\n")
    assert str(caught.value) == "file.yaml:2:6: expected a whole number, got 'text'"


@pytest.mark.slow
def test_merging_again_and_again_is_bounded() -> None:
    lines = ["x-0: &a0 {k0: 1}"]
    for number in range(1, 50):
        lines.append(f"x-{number}: &a{number} {{k{number}: 1, <<: *a{number - 1}}}")
    assert len(parse(PATH, "\n".join(lines)).data["x-49"]) == 50
