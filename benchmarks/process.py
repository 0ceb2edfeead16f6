"""Programs as processes of their own, with what they cost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).resolve().parent.parent
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Cost:
    """``cpu``: seconds, user and system. ``wall``: seconds. ``memory``: peak resident MiB."""

    cpu: float
    wall: float
    memory: float
    output: str


class ProgramError(Exception):
    """A program that failed, with the end of what it said."""


def run(command: Sequence[object], timeout: float = 900) -> Cost:
    """Run to the end. Raises ProgramError where the exit code is not 0 or ``timeout`` seconds pass.

    The peak counts from this process's own size on (Linux keeps it over the exec), so this process must be small:
    benchmarks that hold data do it in a process apart.
    """
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = monotonic()
        process = subprocess.Popen(words, stdout=output, stderr=errors, cwd=ROOT)
        timer = threading.Timer(timeout, process.kill)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            timer.cancel()
        wall = monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            said = errors.read()[-2000:].decode(errors="replace")
            raise ProgramError(f"{' '.join(words)} ended with {process.returncode}: {said}")
        return Cost(
            cpu=usage.ru_utime + usage.ru_stime,
            wall=wall,
            memory=usage.ru_maxrss * 1024 / MEBIBYTE,
            output=output.read().decode(errors="replace"),
        )


def python(*arguments: object, timeout: float = 900) -> Cost:
    """Run a module or a file with this interpreter."""
    return run([sys.executable, *arguments], timeout)
