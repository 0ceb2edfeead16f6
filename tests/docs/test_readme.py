"""The README is run: its files are saved, its commands typed, and what they print is compared."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from mlslo import monitor
from tests.support.commands import exporter
from tests.support.paths import ROOT
from tests.support.tools import tool

pytestmark = pytest.mark.xdist_group("real programs")

README = (ROOT / "README.md").read_text(encoding="utf-8")

# Blocks of `sh` are not run here: other tests run these scripts, and the harness does what the rest does.
ELSEWHERE = {
    "scripts/demo",
    "scripts/test",
    "scripts/setup && scripts/tools",
    'export PATH="$PWD/.venv/bin:$PWD/.tools/bin:$PATH"',
    "mkdir ~/churn && cd ~/churn",
}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is to be saved as, its text."""

    language: str
    file: str | None
    text: str


@dataclass(frozen=True)
class Command:
    """What is typed, and what is expected on either output; `...` stands for anything."""

    text: str
    expected: str


def blocks(text: str) -> list[Block]:
    found = re.findall(r"^(?:<!-- file: (\S+) -->\n)?```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(language, file or None, body) for file, language, body in found]


def commands(block: Block) -> list[Command]:
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert parts[0] == "", f"a console block starts with a command: {block.text!r}"
    # A line that ends with a backslash goes on in the next.
    return [Command(*re.split(r"(?<!\\)\n", part, maxsplit=1)) for part in parts[1:]]


def matches(expected: str, printed: str) -> bool:
    """Whether every line is as expected; a line of `...` stands for any lines, within a line for any text."""
    pattern = ""
    for line in expected.splitlines():
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.split("...")) + r"\n"
    return re.fullmatch(pattern, printed) is not None


def typed(text: str) -> list[Command]:
    return [command for block in blocks(text) if block.language == "console" for command in commands(block)]


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
    text = with_free_ports(README)
    for block in blocks(text):
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    session = typed(text)
    script = ["set +m"]
    for number, command in enumerate(session):
        # A command sees the exit code of the one before, as a person's would.
        script += [
            f"(exit ${{code:-0}}); {{ {command.text}",
            f"}} >'{tmp_path}/.out.{number}' 2>&1; code=$?; echo $code >'{tmp_path}/.code.{number}'",
        ]
    shell = subprocess.Popen(
        ["bash", "-c", "\n".join(script)],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = shell.communicate(timeout=120)
    finally:
        # Its daemons are in its session: whatever happened, they end with it.
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)
        shell.wait()
    for number, command in enumerate(session):
        code = (tmp_path / f".code.{number}").read_text().strip()
        printed = (tmp_path / f".out.{number}").read_text()
        asked = number + 1 < len(session) and session[number + 1].text == "echo $?"
        assert code == "0" or asked, f"$ {command.text}\n{printed}\nexit code {code}\n{said}"
        assert matches(command.expected, printed), f"$ {command.text}\n{printed}"


def test_what_is_compared_can_fail() -> None:
    assert matches("a ... c\n...\nd\n", "a b c\nx\ny\nd\n")
    assert matches("...\n", "")
    assert not matches("a\n", "")
    assert not matches("", "a\n")
    assert not matches("a ... c\n", "a b\n c\n")


def test_every_shell_block_is_run_here_or_elsewhere() -> None:
    assert len(typed(README)) > 20
    languages = {block.language for block in blocks(README)}
    assert languages == {"sh", "console", "text", "python", "yaml"}
    for block in blocks(README):
        if block.language == "sh":
            assert set(block.text.splitlines()) <= ELSEWHERE
        if block.language == "text":
            assert "$ " not in block.text
    for line in ELSEWHERE:
        for script in re.findall(r"scripts/\w+", line):
            assert os.access(ROOT / script, os.X_OK), script


def test_the_sketch_of_a_sidecar_uses_flags_that_exist(tmp_path: Path) -> None:
    (sketch,) = (block for block in blocks(README) if "containers:" in block.text)
    (arguments,) = re.findall(r"args: \[(.*)\]", sketch.text)
    program, *rest = arguments.split(", ")
    missing = [argument.replace("/etc/mlslo", str(tmp_path)) for argument in rest]
    assert program == "mlslo-exporter"
    # In a process of its own: it holds signals back while it starts.
    result = exporter(*missing, check=False)
    assert result.returncode == 2
    assert result.stderr == f"{tmp_path}/churn.monitor.yaml: cannot be read: No such file or directory\n"


def test_the_sketch_of_segments_and_references_is_of_a_monitor_file(tmp_path: Path) -> None:
    (sketch,) = (block for block in blocks(README) if "calendar:" in block.text)
    (whole,) = (block for block in blocks(README) if block.file == "churn.monitor.yaml")
    document = yaml.safe_load(whole.text)
    document["spec"].update(yaml.safe_load(sketch.text)["spec"])
    path = tmp_path / "monitor.yaml"
    path.write_text(yaml.safe_dump(document))
    assert set(monitor.load(path).spec.references) == {"training", "recent", "last-year", "launch"}


def test_scripts_named_in_prose_exist() -> None:
    for script in set(re.findall(r"`(scripts/\w+)", README)):
        assert shutil.which(str(ROOT / script)), script
