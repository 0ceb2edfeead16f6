"""docs/simulate.md is run: what its commands print is what it says."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulegen.cli import main
from tests.support.paths import ROOT
from tests.support.sessions import blocks, matches, typed

PAGE = (ROOT / "docs" / "simulate.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("command", typed(PAGE), ids=lambda command: command.text.split()[1])
def test_a_command_prints_what_the_page_says(command: object) -> None:
    text, expected = getattr(command, "text", ""), getattr(command, "expected", "")
    program, *arguments = shlex.split(text)
    assert program == "mlslo-rulegen"
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert matches(expected, result.output), result.output


def test_the_files_of_the_page_are_those_of_the_repository() -> None:
    files = [block for block in blocks(PAGE) if block.file]
    assert files
    for block in files:
        assert block.file is not None
        assert Path(block.file).read_text(encoding="utf-8") == block.text


def test_the_numbers_of_the_page_are_those_of_the_test() -> None:
    text = (ROOT / "tests" / "rulegen" / "simulation" / "test_differential.py").read_text(encoding="utf-8")
    cases = re.search(r"^CASES = (\d+)$", text, re.MULTILINE)
    assert cases is not None
    assert f"{cases[1]} random scenarios" in PAGE
