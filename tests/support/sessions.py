"""Pages that are run: their files are saved, their commands typed, and what they print is compared."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is to be saved as, its text."""

    language: str
    file: str | None
    text: str


@dataclass(frozen=True)
class Command:
    """A command as typed, and its expected output and errors; `...` stands for anything."""

    text: str
    expected: str


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    found = re.findall(r"^(?:<!-- file: (\S+) -->\n)?```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(language, file or None, body) for file, language, body in found]


def commands(block: Block) -> list[Command]:
    """Return the commands of a `console` block."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert parts[0] == "", f"a console block starts with a command: {block.text!r}"
    # A line that ends with a backslash goes on in the next.
    return [Command(*re.split(r"(?<!\\)\n", part, maxsplit=1)) for part in parts[1:]]


def typed(text: str) -> list[Command]:
    """Return the commands of all `console` blocks of a page."""
    return [command for block in blocks(text) if block.language == "console" for command in commands(block)]


def matches(expected: str, printed: str) -> bool:
    """Return whether every line is as expected; a line of `...` stands for any lines, within a line for any text."""
    pattern = ""
    for line in expected.splitlines():
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.split("...")) + r"\n"
    return re.fullmatch(pattern, printed) is not None


def play(session: list[Command], folder: Path, environment: dict[str, str]) -> None:
    """Type the commands into one shell. Raises AssertionError where one fails or prints something else."""
    script = ["set +m"]
    for number, command in enumerate(session):
        # A command sees the exit code of the one before, as a person's would.
        script += [
            f"(exit ${{code:-0}}); {{ {command.text}",
            f"}} >'{folder}/.out.{number}' 2>&1; code=$?; echo $code >'{folder}/.code.{number}'",
        ]
    shell = subprocess.Popen(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = shell.communicate(timeout=300)
    finally:
        # Its daemons are in its session: whatever happened, they end with it.
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)
        shell.wait()
    for number, command in enumerate(session):
        code = (folder / f".code.{number}").read_text().strip()
        printed = (folder / f".out.{number}").read_text()
        asked = number + 1 < len(session) and session[number + 1].text == "echo $?"
        assert code == "0" or asked, f"$ {command.text}\n{printed}\nexit code {code}\n{said}"
        assert matches(command.expected, printed), f"$ {command.text}\n{printed}"
