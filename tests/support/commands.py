"""mlslo-exporter in the test's process, or in one forked from one that has imported it: imports outlast most tests."""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from exporter.cli import main

_PATIENCE = 120.0
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    [
        __name__,
        "exporter.commands.decoding",
        "exporter.daemon.daemon",
        "exporter.references.baseline",
        "scipy.special",
    ]
)


def exporter(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run ``mlslo-exporter``; warnings are errors.

    The daemon has a process of its own, for its signals, and so has what is given a state directory, whose lock is held
    until the process is gone. For all else a process would take twice the time.

    Raises AssertionError where it ends with another code than 0, unless ``check`` is False, and
    subprocess.TimeoutExpired where a process does not end.
    """
    command = ["mlslo-exporter", *map(str, arguments)]
    done = forked(command) if {"run", "--state-dir"} & {*command} else _called(command)
    if check and done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stderr}")
    return done


def forked(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command line of ``mlslo-exporter`` in a process, forked from one that has imported it."""
    with tempfile.TemporaryDirectory(prefix="mlslo-command-") as name:
        output, errors = Path(name, "output"), Path(name, "errors")
        process = _FORKING.Process(target=_run, args=(command, output, errors))
        process.start()
        process.join(_PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, _PATIENCE, output.read_text(), errors.read_text())
        code = process.exitcode
        assert code is not None
        return subprocess.CompletedProcess(command, code, output.read_text(), errors.read_text())


def _called(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    output, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(output), redirect_stderr(errors), _logging_of_its_own(), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            main(command[1:], prog_name=command[0])
        except SystemExit as exit_:
            code = exit_.code
    assert isinstance(code, int | None)
    out, err = (stream.buffer.getvalue().decode() for stream in (output, errors))
    return subprocess.CompletedProcess(command, code or 0, out, err)


@contextmanager
def _logging_of_its_own() -> Iterator[None]:
    """Let the command set up the root logger, which pytest has handlers on."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)


def served(line: str) -> str:
    """Return the URL of the pages, which a daemon's first line ends with, without `/metrics`."""
    return line.split()[-1].removeprefix("url=").removesuffix("/metrics")


def start(*arguments: object, errors: Path) -> multiprocessing.process.BaseProcess:
    """Start ``mlslo-exporter``, which goes on beside the test; its standard error is in ``errors``."""
    command = ["mlslo-exporter", *map(str, arguments)]
    process = _FORKING.Process(target=_run, args=(command, Path(os.devnull), errors))
    process.start()
    return process


def _run(command: Sequence[str], output: Path, errors: Path) -> None:
    for number, path in ((1, output), (2, errors)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    sys.argv = list(command)
    warnings.simplefilter("error")
    try:
        main(command[1:], prog_name=command[0])
    finally:
        # The lock of a state directory is held until the process is gone.
        warnings.simplefilter("ignore", ResourceWarning)
