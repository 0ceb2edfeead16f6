"""YAML is read in a quick way where it is plain, and in a careful one: both find the same data."""

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlslo.yamlfile import InputError, read
from mlslo.yamlfile.construct import construct
from mlslo.yamlfile.plain import NotPlainError, plain_data
from mlslo.yamlfile.reader import _events
from tests.support.paths import ROOT

SPECS = sorted(
    path
    for folder in ("examples", "tests/contract", "tests/mutations/corpus")
    for path in (ROOT / folder).rglob("*.yaml")
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            "",
            "~",
            "no",
            "1e3",
            ".5",
            "5.",
            "-",
            "+1",
            "1_000",
            "0x1F",
            "22:00",
            "Null",
            "TRUE",
            "9" * 45,
            "!",
            "<<",
            "=",
        ]
    ),
)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)
# Pieces with which something else becomes of a document.
ODD = st.sampled_from(
    [
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "! ",
        "---\n",
        "...\n",
        "? ",
        "- ",
        ": ",
        "\n",
        "\t",
        "#",
        "'",
        '"',
        "{",
        "]",
        ",",
        "|\n",
        "%",
    ]
)


def carefully(content: str) -> str:
    path = Path("x.yaml")
    return repr(construct(path, _events(path, content)).data)


def same_where_plain(content: str) -> None:
    """Whatever is wrong is left to the careful way, which raises it."""
    with contextlib.suppress(NotPlainError):
        assert repr(plain_data(content)) == carefully(content)


@given(DATA, st.booleans(), st.sampled_from([None, '"', "'", "|"]))
def test_data_as_pyyaml_writes_it(data: object, flow: bool, style: str | None) -> None:
    same_where_plain(yaml.safe_dump(data, default_flow_style=flow, default_style=style, allow_unicode=True))


@given(DATA, st.booleans(), st.lists(st.tuples(st.floats(0, 1), ODD), min_size=1, max_size=3))
def test_documents_with_something_odd_in_them(data: object, flow: bool, odd: list[tuple[float, str]]) -> None:
    content = yaml.safe_dump(data, default_flow_style=flow)
    for share, piece in odd:
        at = int(share * len(content))
        content = content[:at] + piece + content[at:]
    same_where_plain(content)


@given(st.text(alphabet="ab:-?,[]{}#&*!|>'\"%@` \n\t01.~", max_size=30))
def test_any_text(content: str) -> None:
    same_where_plain(content)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_specs_are_plain(path: Path) -> None:
    content = path.read_text()
    if "&" not in content:
        assert repr(plain_data(content)) == carefully(content) == repr(read(path).data)


@pytest.mark.parametrize(
    "content",
    [
        "a: &one 1\nb: *one",
        "a: !!int 1",
        "a: 1\na: 2",
        "? [a]\n: 1",
        "a: 1\n---\nb: 2",
        "",
        "a: [",
        f"a: {'9' * 40}",
        "[" * 61 + "]" * 61,
        "[" + "1," * 200_001 + "]",
    ],
    ids=lambda content: content[:20],
)
def test_what_is_not_plain(content: str) -> None:
    with pytest.raises(NotPlainError):
        plain_data(content)


def test_what_is_wrong_is_still_said(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\nb:\n  c: 2\n  c: 3\n")
    with pytest.raises(InputError, match=r"x\.yaml:4:3: duplicate key 'c', first given at line 3"):
        read(path)
