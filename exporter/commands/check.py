"""mlslo-exporter check."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from exporter.commands import MONITORS
from mlslo.command_line import BAD_INPUT, PATH, WRONG, input_errors


@click.command()
@MONITORS
@click.option(
    "--state-dir",
    type=PATH,
    default=Path("mlslo-state"),
    show_default=True,
    help="That of the daemon, where events of push sinks wait.",
)
@input_errors()
def check(monitors: tuple[Path, ...], state_dir: Path) -> None:
    """Validate MONITOR files, and show how the first records decode.

    Exit code 1 where a sink has records and none of them can be used, where no output or no feature can be read in any
    of them, where the ids of predictions repeat, or where no label has the id of a prediction; 2 where a sink cannot
    be read. A glob that no file matches yet is no fault: check asks whether the path is right, and ends with 0.
    """
    from exporter.commands.decoding import check_labels, check_offline, check_predictions
    from exporter.commands.label_ids import unmatched
    from exporter.commands.series_account import series_account
    from exporter.daemon.models import load_all
    from exporter.records.accounts.field_accounts import Records
    from exporter.sinks import SinkError

    code = 0
    for model in load_all(monitors):
        click.echo(f"{model.monitor.document.path}: model '{model.name}', fine as a file")
        now = time.time()
        looked_at: dict[str, Records] = {}
        looks = {"predictions": check_predictions, "labels": check_labels, "skew": check_offline}
        for sink, look in looks.items():
            try:
                found = look(model, now, state_dir)
            except SinkError as error:
                click.echo(f"model {model.name}: sink {sink}: {error}", err=True)
                code = BAD_INPUT
                continue
            if found is not None:
                click.echo("\n".join(found.lines))
                code = max(code, WRONG * found.wrong)
                if found.records is not None:
                    looked_at[sink] = found.records
        for name in ("labels", "skew"):
            if looked_at.keys() >= {"predictions", name}:
                warning = unmatched(model, name, looked_at["predictions"], looked_at[name], now)
                if warning is not None:
                    click.echo(f"  warning: {warning}")
                    code = max(code, WRONG)
        click.echo("\n".join(series_account(model)))
    if code:
        sys.exit(code)
