"""Each promise of docs/promises.md and SECURITY.md names the test that holds it, and the test is there."""

import re
from collections.abc import Iterator

import pytest

from tests.support.paths import ROOT

_PAGES = ("docs/promises.md", "SECURITY.md")


def _rows(text: str) -> Iterator[list[str]]:
    """Yield what stands before the last cell, and in it, in the tables whose last column is ``held by``."""
    held = False
    for line in text.splitlines():
        if not line.startswith("|"):
            held = False
        elif line.endswith("| held by |"):
            held = True
        elif held and not line.startswith("|---"):
            yield line.strip("|").rsplit("|", 1)


_ROWS = [row for page in _PAGES for row in _rows((ROOT / page).read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("promise", "held_by"), _ROWS)
def test_a_promise_is_held_by_a_test(promise: str, held_by: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", held_by)
    assert named, f"no test holds: {promise}"
    for path, test in named:
        assert re.search(rf"^def {test}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), test
