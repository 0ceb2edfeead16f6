"""The demo as a person runs it: the story told in time, Ctrl-C, a program that dies."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.demo.command import main
from tests.support.paths import ROOT
from tests.support.turns import unless_late

DEMO = [sys.executable, "-m", "examples.demo"]

# The demo runs the newest pair, whichever the suite does.
pytestmark = [pytest.mark.chain, pytest.mark.one_version, pytest.mark.xdist_group("programs that wait")]


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}


@unless_late(0.5)
def test_the_story_is_told_in_time(tmp_path: Path) -> None:
    told = subprocess.run(
        [*DEMO, "--seconds", "70"],
        cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stderr == ""
    for seen in (
        "PagerDuty: the phone rings",
        "Slack #ml-alerts",
        "inhibited",
        "anna approves roll-back",
        "the deployer: deploy diabetes 1.1.1",
        "PagerDuty: the incident is resolved",
    ):
        assert seen in told.stdout
    assert "✗" not in told.stdout
    assert "\033" not in told.stdout
    assert max(len(line) for line in told.stdout.splitlines()) <= 100
    assert list(tmp_path.iterdir()) == []


@contextmanager
def running(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A demo whose story has begun."""
    with subprocess.Popen(
        DEMO, cwd=ROOT, env=environment(folder), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as demo:  # fmt: skip
        try:
            assert demo.stdout is not None
            assert any("HEALTHY" in line for line in demo.stdout)
            yield demo
        finally:
            if demo.poll() is None:
                demo.terminate()


def children(parent: int) -> dict[int, str]:
    """Process id -> command line, of every process that `parent` started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == parent:
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_ctrl_c_ends_everything_and_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        started = children(demo.pid)
        assert len(started) == 4, started
        demo.send_signal(signal.SIGINT)
        output, errors = demo.communicate(timeout=60)
    assert demo.returncode == 130, output + errors
    assert errors == "\ndemo: interrupted before the end of the story\n"
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_dies_is_named(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        started = children(demo.pid)
        (prometheus,) = (pid for pid, command in started.items() if "--storage.tsdb.path" in command)
        os.kill(prometheus, signal.SIGKILL)
        output, errors = demo.communicate(timeout=60)
    assert demo.returncode == 1, output + errors
    assert "demo: prometheus was ended by signal 9; the end of its log:\n  " in errors
    assert "Traceback" not in errors
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seconds", ["5", "x", "-90", "nan"])
def test_a_time_in_which_the_story_cannot_be_told_is_refused(
    seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["scripts/demo", "--seconds", seconds])
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == 2
