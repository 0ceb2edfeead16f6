"""scripts/setup: installs once, again only when pyproject.toml or the lock changed, and says why it can't."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

STAND_IN_PYTHON = """#!/bin/sh
printf '%s\\n' "$*" >>"{log}"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose .venv holds a python that only writes down what it is asked to do."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for name in ("setup", "debian-package", "lock.txt"):
        shutil.copy(ROOT / "scripts" / name, scripts / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN_PYTHON.format(log=tmp_path / "asked"))
    python.chmod(0o755)
    return tmp_path


def setup(checkout: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    if path is not None:
        environment["PATH"] = path
    command = [shutil.which("bash") or "bash", str(checkout / "scripts" / "setup")]
    return subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def installs(checkout: Path) -> int:
    return (checkout / "asked").read_text().count("pip install")


def test_a_second_run_does_nothing_and_says_nothing(checkout: Path) -> None:
    first = setup(checkout)
    assert first.returncode == 0, first.stderr
    assert "installing into .venv" in first.stderr
    second = setup(checkout)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert installs(checkout) == 1


@pytest.mark.parametrize("changed", ["pyproject.toml", "scripts/lock.txt"])
def test_a_change_of_what_is_needed_installs_again(checkout: Path, changed: str) -> None:
    setup(checkout)
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    setup(checkout)
    assert installs(checkout) == 2


def test_a_failed_install_is_not_taken_for_done(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\ncase "$*" in *install*) echo no such version; exit 1;; esac\n')
    failed = setup(checkout)
    assert failed.returncode == 1
    assert "no such version" in failed.stderr
    assert not (checkout / ".venv" / "stamp").exists()


def test_an_old_python_is_named(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("dirname", "mkdir", "sha256sum", "cut", "cat", "sed"):
        (commands / name).symlink_to(shutil.which(name) or name)
    python = commands / "python3"
    python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit 0\nexit 1\n')
    python.chmod(0o755)
    refused = setup(checkout, path=str(commands))
    assert refused.returncode == 1
    assert refused.stderr == "setup: Python 3.11 or newer is needed; Python 3.9.2 on this machine.\n"
    assert not (checkout / ".venv").exists()
