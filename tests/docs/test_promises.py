"""Each promise of docs/promises.md names the test that holds it, and the test is there."""

import re

import pytest

from tests.support.paths import ROOT

_PAGE = ROOT / "docs" / "promises.md"
_ROWS = [
    line.strip("|").rsplit("|", 1)
    for line in _PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| what happens"))
]


@pytest.mark.parametrize(("promise", "held_by"), _ROWS)
def test_a_promise_is_held_by_a_test(promise: str, held_by: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", held_by)
    assert named, f"no test holds: {promise}"
    for path, test in named:
        assert re.search(rf"^def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), test
