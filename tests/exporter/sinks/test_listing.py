"""Patterns: `**` goes into every folder, once."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest

from exporter.sinks.files import FileSink, matches


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/b/c/log.1", "a/log.2", "log.3", "a/.hidden/log.4", "a/b[1]/log.5", "a/b/x/y/log.6"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f'{{"n": "{name}"}}\n')
    return tmp_path


PATTERNS = ("**/log.*", "a/**/log.*", "**/b/**/log.*", "*/**/log.?", "**", "a/**/**/log.*", "log.*")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_as_glob_finds_them(pattern: str, tree: Path) -> None:
    found, failures = matches(tree / pattern)
    expected = glob.glob(str(tree / pattern), recursive=True)  # noqa: PTH207 - the oracle
    assert files(found) == files(expected)
    assert failures == []


def files(paths: list[str]) -> set[str]:
    return {path for path in paths if Path(path).is_file()}


def test_links_that_lead_back_are_followed_once(tree: Path) -> None:
    for place in ("a", "a/b", "a/b/c"):
        for number in range(5):
            (tree / place / f"link{number}").symlink_to(tree)
    found, _ = matches(tree / "**/log.*")
    assert {os.path.realpath(path) for path in found} == {
        str(tree / name) for name in ("a/b/c/log.1", "a/log.2", "log.3", "a/b[1]/log.5", "a/b/x/y/log.6")
    }
    sink = FileSink(tree / "**/log.*", {})
    assert sum(batch.lines.tobytes().count(b"\n") for batch in sink.batches()) == 5
    sink.close()
