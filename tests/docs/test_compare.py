"""docs/compare.md: its commands print what it says, and promtool accepts the canary's alerts."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from exporter.measure.comparison_results import STATISTICS
from tests.support.paths import ROOT
from tests.support.sessions import blocks, play, typed
from tests.support.tools import tool

PAGE = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.one_version
def test_the_page_prints_what_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "diabetes"
    shutil.copytree(ROOT / "examples" / "diabetes", folder)
    for block in blocks(PAGE):
        if block.file is not None:
            (folder / block.file).write_text(block.text)
    programs = [str(Path(sys.executable).parent), str(tool("promtool").parent), os.environ["PATH"]]
    play(typed(PAGE), folder, {"PATH": os.pathsep.join(programs), "HOME": str(tmp_path), "LANG": "C.UTF-8"})


def test_the_number_of_series_is_that_of_the_statistics() -> None:
    """Two are of regression only, two have no bounds."""
    most = len(STATISTICS) - 2
    assert f"at most {most} statistics a window: {most + 2 * (most - 2)} series" in PAGE


def test_every_statistic_is_defined() -> None:
    defined = (ROOT / "docs" / "statistics" / "comparison.md").read_text(encoding="utf-8")
    for name in STATISTICS:
        assert f"`{name}`" in defined
