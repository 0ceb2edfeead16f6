"""mlslo-exporter once."""

from __future__ import annotations

import platform
import sys
from functools import partial
from pathlib import Path

import click

from exporter.commands import AT, MONITORS, time_of
from exporter.commands.one_cycle import STATE_DIR, hint_at_newest, measured, prepare, write
from mlslo.command_line import PATH, WRONG, input_errors, refuse
from mlslo.version import VERSION


@click.command()
@MONITORS
@AT
@click.option(
    "--as-of",
    metavar="RFC3339",
    callback=time_of,
    help="As --at, of the logs as they were then: what came later is left out.",
)
@click.option(
    "--textfile", type=PATH, help="Write to this file, whole or not at all, instead of standard output."
)
@STATE_DIR
@input_errors()
def once(
    monitors: tuple[Path, ...],
    at: float | None,
    as_of: float | None,
    textfile: Path | None,
    state_dir: Path | None,
) -> None:
    """One cycle over everything in the sinks, then the exposition text on standard output.

    Exit code 1 where the predictions could not be read; what could be is printed all the same.
    """
    if as_of is not None and (at is not None or state_dir is not None):
        refuse(
            "--as-of: goes neither with --at, which counts what came later, nor with --state-dir, "
            "where that would be lost"
        )
    from exporter.daemon.models import load_all
    from exporter.daemon.recovery import RecoveringCycle
    from exporter.measure.exposition import render
    from exporter.measure.gauges import Gauges

    prepare()
    snapshots = []
    readable = True
    for model in load_all(monitors):
        snapshot = measured(
            model.name,
            partial(RecoveringCycle, model, state_dir),
            at if as_of is None else as_of,
            as_of=as_of is not None,
        )
        if snapshot is not None:
            snapshots.append(snapshot)
            readable &= bool(snapshot.series["ml_sink_up"][model.name, "predictions"])
            hint_at_newest(snapshot, at if as_of is None else as_of)
    process = Gauges("")
    process.set("ml_exporter_build_info", 1.0, version=VERSION, python_version=platform.python_version())
    page = render(snapshots, process.series)
    if textfile is None:
        click.echo(page, nl=False)
    else:
        write(textfile, page)
    if not readable:
        sys.exit(WRONG)
