"""Faults around a daemon: permissions, folders and descriptors that go and come back, a process that sleeps."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.exporter.daemon.test_daemon import Running, daemon, record, total
from tests.support.logs import Gauges, monitor, value, write_lines, write_monitor

pytestmark = [pytest.mark.slow]


def is_up(gauges: Gauges) -> bool:
    return value(gauges, "ml_sink_up", sink="predictions") == 1


@pytest.fixture
def log(tmp_path: Path) -> Path:
    write_monitor(tmp_path, monitor(labels=None, schedule="200ms"))
    return write_lines(tmp_path / "logs/predictions.jsonl", [record(0)])


@pytest.fixture
def bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let permissions bind the daemon; those of root do not."""
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root may read everything, and setpriv is not installed")
        python = tmp_path / "python"
        python.write_text(
            f'#!/bin/sh\nexec {setpriv} --bounding-set=-dac_override,-dac_read_search {sys.executable} "$@"\n'
        )
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))


@pytest.mark.usefixtures("bound")
def test_a_permission_that_is_lost_and_regained_loses_nothing(log: Path, tmp_path: Path) -> None:
    with daemon(tmp_path) as running:
        running.wait_for(total(1))
        log.chmod(0)
        # What is held open is read on.
        write_lines(log, [record(1)])
        running.wait_for(total(2))
        log.rename(log.with_name("predictions.jsonl.1"))
        write_lines(log, [record(2)]).chmod(0)
        running.wait_for(lambda gauges: not is_up(gauges))
        write_lines(log, [record(3)])
        log.chmod(0o600)
        assert is_up(running.wait_for(total(4)))
        log.parent.chmod(0)
        write_lines(log, [record(4)])
        running.wait_for(total(5))
        log.parent.chmod(0o700)
        write_lines(log, [record(5)])
        assert is_up(running.wait_for(total(6)))


def test_a_folder_of_logs_that_is_removed_and_comes_back_is_read(log: Path, tmp_path: Path) -> None:
    with daemon(tmp_path) as running:
        running.wait_for(total(1))
        shutil.rmtree(log.parent)
        running.wait_for(lambda gauges: not is_up(gauges))
        assert running.get("/-/healthy")[0] == 200
        write_lines(log, [record(1), record(2)])
        assert is_up(running.wait_for(total(3)))


def test_a_daemon_without_descriptors_goes_on_when_it_has_some(log: Path, tmp_path: Path) -> None:
    with daemon(tmp_path) as running:
        running.wait_for(total(1))
        process = running.process.pid
        limits = resource.prlimit(process, resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (3, limits[1]))
        for number in range(1, 4):
            write_lines(log.with_name(f"predictions-{number}.jsonl"), [record(number)])
        said(running, "too many open files: this process may have 3 ")
        resource.prlimit(process, resource.RLIMIT_NOFILE, limits)
        assert is_up(running.wait_for(total(4)))


def test_a_process_that_slept_goes_on(log: Path, tmp_path: Path) -> None:
    with daemon(tmp_path) as running:
        running.wait_for(total(1))
        running.process.send_signal(signal.SIGSTOP)
        write_lines(log, [record(number) for number in range(1, 10)])
        log.rename(log.with_name("predictions.jsonl.1"))
        write_lines(log, [record(10)])
        time.sleep(1)
        running.process.send_signal(signal.SIGCONT)
        running.wait_for(total(11))


def said(running: Running, text: str) -> None:
    """Wait until the daemon has logged ``text``."""
    assert running.process.stderr is not None
    while text not in (line := running.process.stderr.readline()):
        assert line, "ended without a word"


def test_a_daemon_that_is_stuck_is_ended_by_force_and_loses_nothing(log: Path, tmp_path: Path) -> None:
    """The kubelet's restart: SIGTERM, for which a hanging read has no ear, then SIGKILL."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    program = (
        "from pathlib import Path\n"
        "from exporter.daemon import daemon\n"
        "from exporter.sinks.files import FileSink\n"
        "from exporter.sinks import reader\n"
        "class Hanging(FileSink):\n"
        "    def batches(self, *, final=False):\n"
        "        yield from super().batches(final=final)\n"
        f"        Path({str(pipe)!r}).read_bytes()\n"
        "reader.SINKS['file'] = Hanging\n"
        "from exporter.cli import main\n"
        "main()"
    )
    command = [sys.executable, "-c", program, "run", "monitor.yaml", "--state-dir", "state"]
    process = subprocess.Popen(
        [*command, "--web.listen-address", "127.0.0.1:0"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with process.stderr:
        # A writer finds the reader there: by then all before it is committed.
        writer = os.open(pipe, os.O_WRONLY)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.kill()
        process.wait()
        os.close(writer)
    write_lines(log, [record(1)])
    with daemon(tmp_path) as running:
        running.wait_for(total(2))
