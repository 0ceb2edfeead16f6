"""mlslo-exporter replay."""

from __future__ import annotations

import platform
from functools import partial
from pathlib import Path

import click

from exporter.commands import MONITORS, time_of
from exporter.commands.one_cycle import measured, prepare
from mlslo.command_line import PATH, input_errors, refuse
from mlslo.version import VERSION


@click.command()
@MONITORS
@click.option("--from", "first", metavar="RFC3339", callback=time_of, help="The first step.")
@click.option("--to", "last", metavar="RFC3339", callback=time_of, help="The last step.")
@click.option("--step", default="5m", show_default=True, help="Time between two steps, such as 30s or 5m.")
@click.option("--out", required=True, type=PATH, help="The folder to write.")
@input_errors()
def replay(monitors: tuple[Path, ...], first: float | None, last: float | None, step: str, out: Path) -> None:
    """Write the gauges as the daemon would have exported them at each step of a past log."""
    from exporter.daemon.models import load_all
    from exporter.measure.gauges import Gauges
    from exporter.replay import history
    from mlslo.yamlfile import Duration

    prepare()
    length = Duration(step).seconds
    assert first is not None and last is not None
    models = load_all(monitors)
    process = Gauges("")
    process.set("ml_exporter_build_info", 1.0, version=VERSION, python_version=platform.python_version())
    with history.written(out) as folder:
        stretch, begun = history.StretchFile(), None
        times = []
        at = first
        while at <= last:
            times.append(at)
            at += length
        for at in times:
            start = at // history.STRETCH * history.STRETCH
            if begun is not None and start != begun:
                (folder / history.OPENMETRICS / history.file_name(begun)).write_bytes(
                    b"".join(stretch.text())
                )
                stretch = history.StretchFile()
            begun = start
            found = [measured(model.name, partial(model.open, None), at, as_of=True) for model in models]
            stretch.add(at, [item for item in found if item is not None], process.series)
        (folder / history.OPENMETRICS / history.file_name(begun)).write_bytes(b"".join(stretch.text()))
        history.describe(folder, [model.name for model in models], times[0], times[-1], step)
    click.echo(f"{out}: {len(times)} steps")
