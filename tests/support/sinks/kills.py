"""Kill a process that reads a log, at random moments, while the log grows; then count."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.support import commands  # noqa: F401 - what its processes are forked from
from tests.support.sinks import SinkServer
from tests.support.sinks.log import Log, drain
from tests.support.sinks.reading import Reading, read_until_killed

_FORKING = multiprocessing.get_context("forkserver")
_LONGEST = 0.5
_LATE = 0.25
_PATIENCE = 120.0


def kill(server: SinkServer, folder: Path, kills: int, seed: int = 0) -> Log:
    """Kill so many readers of one state file; return what was appended, all of which was counted once.

    Raises AssertionError where that is not so, or a reader ended by itself.
    """
    log = Log(server, seed)
    state = server.state(folder)
    errors, started = folder / "stderr", folder / "started"
    log.append(20)
    for _ in range(kills):
        started.unlink(missing_ok=True)
        process = _FORKING.Process(
            target=read_until_killed,
            args=(server.sink(), folder, state, server.environment(), errors, started),
        )
        process.start()
        try:
            # Some are killed while they start, the others while they read.
            if log.random.random() < 0.7:
                _await(started, process)
            until = time.monotonic() + log.random.uniform(0, _LONGEST)
            while time.monotonic() < until:
                log.append(log.random.randint(1, 40), late=log.random.random() < _LATE)
                time.sleep(log.random.uniform(0, 0.03))
        finally:
            process.kill()
            process.join()
        assert process.exitcode == -signal.SIGKILL, errors.read_text()
        log.append(log.random.randint(0, 5))
    os.environ.update(server.environment())
    with closing(Reading(server.sink(), folder, state)) as reading:
        drain(reading, log)
    return log


def _await(started: Path, process: BaseProcess) -> None:
    until = time.monotonic() + _PATIENCE
    while not started.exists() and process.is_alive():
        assert time.monotonic() < until, "a reader did not come to the end of its first cycle"
        time.sleep(0.01)
