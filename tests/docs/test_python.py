"""docs/python.md is run, as a notebook: what its cells show is what it says."""

from __future__ import annotations

import doctest
import shutil
from pathlib import Path

import pytest

from tests.support.paths import DIABETES, ROOT

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_cells_show_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(DIABETES, tmp_path / DIABETES.relative_to(ROOT))
    monkeypatch.chdir(tmp_path)
    cells = doctest.DocTestParser().get_doctest(PAGE, {}, "python.md", "docs/python.md", 0)
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    said: list[str] = []
    result = runner.run(cells, out=said.append)
    assert result.attempted > 10
    assert result.failed == 0, "".join(said)
