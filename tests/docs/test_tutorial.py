"""The tutorial is run: its files are saved, its commands typed, and what they print is compared."""

import os
import re
import socket
import sys
from pathlib import Path

import pytest
import yaml

from mlslo import monitor
from tests.support.paths import ROOT
from tests.support.sessions import blocks, matches, play, typed
from tests.support.tools import tool

pytestmark = [pytest.mark.one_version, pytest.mark.xdist_group("programs that wait")]

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")

# Blocks of `sh` are not run here: other tests run these scripts, and the harness does what the rest does.
ELSEWHERE = {
    "scripts/setup && scripts/tools",
    'export PATH="$PWD/.venv/bin:$PWD/.tools/bin:$PATH"',
    "mkdir ~/churn && cd ~/churn",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The tools on PATH, wherever this machine has them."""
    folder = tmp_path_factory.mktemp("bin")
    for name in ("prometheus", "promtool", "alertmanager", "amtool"):
        (folder / name).write_text(f'#!/bin/sh\nexec "{tool(name)}" "$@"\n')
        (folder / name).chmod(0o755)
    path = os.pathsep.join([str(Path(sys.executable).parent), str(folder), os.environ["PATH"]])
    return {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8"}


def with_free_ports(text: str) -> str:
    """Other ports for those of the text, which may be taken on this machine."""
    listeners = {
        port: socket.create_server(("127.0.0.1", 0)) for port in set(re.findall(r"localhost:(\d+)", text))
    }
    ports = {port: listener.getsockname()[1] for port, listener in listeners.items()}
    for listener in listeners.values():
        listener.close()
    return re.sub(r"localhost:(\d+)", lambda match: f"localhost:{ports[match[1]]}", text)


@pytest.mark.chain
def test_the_tutorial_prints_what_it_says(tmp_path: Path, environment: dict[str, str]) -> None:
    text = with_free_ports(TUTORIAL)
    for block in blocks(text):
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    play(typed(text), tmp_path, environment)


def test_what_is_compared_can_fail() -> None:
    assert matches("a ... c\n...\nd\n", "a b c\nx\ny\nd\n")
    assert matches("...\n", "")
    assert not matches("a\n", "")
    assert not matches("", "a\n")
    assert not matches("a ... c\n", "a b\n c\n")


def test_every_shell_block_is_run_here_or_elsewhere() -> None:
    assert len(typed(TUTORIAL)) > 20
    languages = {block.language for block in blocks(TUTORIAL)}
    assert languages == {"sh", "bash", "console", "python", "yaml"}
    for block in blocks(TUTORIAL):
        if block.language == "sh":
            assert set(block.text.splitlines()) <= ELSEWHERE


def test_the_sketch_of_segments_and_references_is_of_a_monitor_file(tmp_path: Path) -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    (sketch,) = (block for block in blocks(index) if "calendar:" in block.text)
    (whole,) = (block for block in blocks(TUTORIAL) if block.file == "churn.monitor.yaml")
    document = yaml.safe_load(whole.text)
    document["spec"].update(yaml.safe_load(sketch.text)["spec"])
    path = tmp_path / "monitor.yaml"
    path.write_text(yaml.safe_dump(document))
    assert set(monitor.load(path).spec.references) == {"training", "recent", "last-year", "launch"}
