"""mlslo-exporter once."""

from __future__ import annotations

import logging
import platform
import sys
from contextlib import closing
from pathlib import Path

import click

from exporter.commands import AT, MONITORS
from mlslo import atomic
from mlslo.command_line import PATH, WRONG, input_errors, refuse
from mlslo.version import VERSION


@click.command()
@MONITORS
@AT
@click.option(
    "--textfile", type=PATH, help="Write to this file, whole or not at all, instead of standard output."
)
@click.option(
    "--state-dir", type=PATH, help="Continue from this state, and keep what was read (default: forget it)."
)
@input_errors()
def once(monitors: tuple[Path, ...], at: float | None, textfile: Path | None, state_dir: Path | None) -> None:
    """One cycle over everything in the sinks, then the exposition text on standard output.

    Exit code 1 where the predictions could not be read; what could be is printed all the same.
    """
    from exporter.daemon.cycle import CycleError
    from exporter.daemon.models import load_all
    from exporter.daemon.process import keep_freed_memory
    from exporter.daemon.recovery import RecoveringCycle
    from exporter.measure.exposition import render
    from exporter.measure.gauges import Gauges
    from exporter.state import StoreError

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    keep_freed_memory()
    snapshots = []
    readable = True
    for model in load_all(monitors):
        try:
            with closing(RecoveringCycle(model, state_dir)) as cycle:
                snapshot = cycle.run(at=at, final=True)
        except StoreError as error:
            refuse(str(error))
        except CycleError as error:
            refuse(f"model {model.name}: {error}", WRONG)
        if snapshot is not None:
            snapshots.append(snapshot)
            readable &= bool(snapshot.series["ml_sink_up"][model.name, "predictions"])
            if at is None and (newest := snapshot.newest_outside_windows()) is not None:
                # A recorded log evaluated as of today.
                click.echo(
                    f"no prediction lies in any window that ends now; the newest fits --at {newest}", err=True
                )
    process = Gauges("")
    process.set("ml_exporter_build_info", 1.0, version=VERSION, python_version=platform.python_version())
    page = render(snapshots, process.series)
    if textfile is None:
        click.echo(page, nl=False)
    else:
        try:
            atomic.write(textfile, page)
        except OSError as error:
            refuse(f"{textfile}: cannot be written: {error.strerror}")
    if not readable:
        sys.exit(WRONG)
