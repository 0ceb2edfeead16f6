"""Run one case in a process of its own: what kills it, hangs it or eats the memory is found, and over."""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import select
import shutil
import signal
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from exporter import cli as exporter
from rulegen import cli as rulegen
from tests.damage.cases import Case

PROGRAMS = {"rulegen": rulegen.main, "exporter": exporter.main}
_LONGEST = 60.0
_MEMORY = 1 << 30


@dataclass(frozen=True)
class Outcome:
    """The answer of a command; ``failure`` is the traceback of an exception that came out of it."""

    code: int | None
    stdout: str
    stderr: str
    failure: str = ""
    # Seconds of processor time, and MB at most.
    seconds: float = 0.0
    memory: float = 0.0


def prepare(case: Case, folder: Path) -> None:
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file, with when it was written."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else b"",
            path.stat().st_mtime_ns if path.is_file() else 0,
        )
        for path in folder.rglob("*")
    }


def here(program: str, arguments: Sequence[str], folder: Path) -> Outcome:
    """Run a command in ``folder``, in this process."""
    started = time.process_time()
    with contextlib.chdir(folder):
        result = CliRunner().invoke(PROGRAMS[program], list(arguments), prog_name=f"mlslo-{program}")
    failure = ""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        failure = "".join(traceback.format_exception(result.exception))
    code = None if failure else result.exit_code
    return Outcome(code, result.stdout, result.stderr, failure, time.process_time() - started)


def apart(case: Case, folder: Path, then: Sequence[Sequence[str]] = ()) -> list[Outcome]:
    """Run a case in a child of this process; where it exits with 0, the commands ``then`` as well."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        _child(case, folder, then, write)
    os.close(write)
    content = _all_of(read)
    if content is None:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    if content is None:
        return [Outcome(None, "", "", f"not over after {_LONGEST:.0f} s", usage.ru_utime)]
    if not content:
        return [Outcome(None, "", "", f"killed by signal {os.WTERMSIG(status)}", usage.ru_utime)]
    found: list[Outcome] = pickle.loads(content)
    return found


def _child(case: Case, folder: Path, then: Sequence[Sequence[str]], write: int) -> None:
    try:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + _MEMORY, size + _MEMORY))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = [_limited(case, folder)]
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        found[0] = Outcome(**{**vars(found[0]), "memory": grown})
        if found[0].code == 0:
            found += [here(case.program, arguments, folder) for arguments in then]
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(found, pipe)
    finally:
        os._exit(0)


def _limited(case: Case, folder: Path) -> Outcome:
    if case.limit is None:
        return here(case.program, case.arguments, folder)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (case.limit, resource.RLIM_INFINITY))
    outcome = here(case.program, case.arguments, folder)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return outcome


def _all_of(read: int) -> bytes | None:
    """Return what the child says; None where it takes too long."""
    until = time.monotonic() + _LONGEST
    parts: list[bytes] = []
    with os.fdopen(read, "rb", buffering=0) as pipe:
        while True:
            ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return None
            part = pipe.read(1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)


def clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
