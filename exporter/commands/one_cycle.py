"""One cycle over everything in the sinks, as the commands run it that are no daemon."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlslo import atomic
from mlslo.command_line import PATH, WRONG, refuse

if TYPE_CHECKING:
    from exporter.daemon.cycle import Cycle
    from exporter.daemon.recovery import RecoveringCycle
    from exporter.measure.exposition import Snapshot

STATE_DIR = click.option(
    "--state-dir", type=PATH, help="Continue from this state, and keep what was read (default: forget it)."
)
"""The folder of the state, or None."""


def prepare() -> None:
    """Log warnings as plain lines, and keep freed memory: before the first cycle."""
    from exporter.daemon.process import keep_freed_memory

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    keep_freed_memory()


def measured(
    name: str, opened: Callable[[], Cycle | RecoveringCycle], at: float | None, *, as_of: bool = False
) -> Snapshot | None:
    """Run one cycle of the model ``name``; ``as_of``: over what was logged by ``at``.

    Leaves with the exit code of what fails.
    """
    from exporter.daemon.cycle import CycleError
    from exporter.state import StoreError

    try:
        with closing(opened()) as cycle:
            return cycle.run(at=at, as_of=as_of, final=True)
    except StoreError as error:
        refuse(str(error))
    except CycleError as error:
        refuse(f"model {name}: {error}", WRONG)


def hint_at_newest(snapshot: Snapshot, at: float | None) -> None:
    """Say when the newest prediction was, where a recorded log is evaluated as of today."""
    if at is None and (newest := snapshot.newest_outside_windows()) is not None:
        click.echo(f"no prediction lies in any window that ends now; the newest fits --at {newest}", err=True)


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Leaves with exit code 2 where that cannot be."""
    try:
        atomic.write(path, content)
    except OSError as error:
        refuse(f"{path}: cannot be written: {error.strerror}")
