"""mlslo-rulegen init."""

import shlex
from pathlib import Path

import click

from mlslo import monitor as monitors
from mlslo.command_line import PATH, input_errors
from rulegen.commands.options import write_drafts
from rulegen.drafts import model_slo


@click.command()
@click.argument("monitor", metavar="MONITOR...", nargs=-1, required=True, type=PATH)
@click.option(
    "--out", metavar="DIR", required=True, type=PATH, help="The folder of the files that are written."
)
@click.option("--force", is_flag=True, help="Write over ModelSLO files that are there.")
def init(monitor: tuple[Path, ...], out: Path, force: bool) -> None:
    """Write the first ModelSLO file of each MONITOR's model, and an AlertRouting file.

    The alerts are those that the model's task deserves and its monitor file can measure. The receivers of the
    AlertRouting file have placeholders, which `generate` warns of; one that is there is kept.
    """
    with input_errors():
        loaded = [monitors.load(path) for path in monitor]
        drafts = dict(model_slo(one) for one in loaded)
        specs = write_drafts(drafts, out, force=force)
    shown = " ".join(shlex.quote(str(path)) for path in (*specs, *monitor))
    click.echo(f"next: mlslo-rulegen generate {shown} --out {shlex.quote(str(out / 'generated'))}")
