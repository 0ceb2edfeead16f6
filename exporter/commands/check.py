"""mlslo-exporter check."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from exporter.commands import MONITORS
from mlslo.command_line import WRONG, input_errors


@click.command()
@MONITORS
@input_errors()
def check(monitors: tuple[Path, ...]) -> None:
    """Validate MONITOR files, and show how the first records decode.

    Exit code 1 where a sink has records and none of them can be used.
    """
    from exporter.commands.decoding import check_labels, check_predictions
    from exporter.daemon.models import load_all

    wrong = False
    for model in load_all(monitors):
        click.echo(f"{model.monitor.document.path}: model '{model.name}', fine as a file")
        for found in (check_predictions(model, time.time()), check_labels(model, time.time())):
            if found is not None:
                click.echo("\n".join(found.lines))
                wrong |= found.found > 0 and not found.usable
    if wrong:
        sys.exit(WRONG)
