"""mlslo-exporter in a process of its own, forked from one that has imported it: imports outlast most tests."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from exporter.cli import main

_PATIENCE = 120.0
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload([__name__, "exporter.commands.decoding", "exporter.daemon.daemon"])


def exporter(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run ``mlslo-exporter``; warnings are errors.

    Raises AssertionError where it ends with another code than 0, unless ``check`` is False, and
    subprocess.TimeoutExpired where it does not end.
    """
    command = ["mlslo-exporter", *map(str, arguments)]
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
        done = subprocess.CompletedProcess(command, code, output.read_text(), errors.read_text())
    if check and code:
        raise AssertionError(f"{command} ended with {code}: {done.stderr}")
    return done


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
