"""mlslo-rulegen import."""

import shlex
from pathlib import Path

import click

from mlslo.command_line import PATH, input_errors, refuse
from rulegen.commands.options import write_drafts


@click.command("import")
@click.argument("form", metavar="openslo|sloth", type=click.Choice(["openslo", "sloth"]))
@click.argument("file", metavar="FILE...", nargs=-1, required=True, type=PATH)
@click.option(
    "--out", metavar="DIR", required=True, type=PATH, help="The folder of the files that are written."
)
@click.option("--force", is_flag=True, help="Write over ModelSLO files that are there.")
def import_(form: str, file: tuple[Path, ...], out: Path, force: bool) -> None:
    """Write ModelSLO files of the SLOs in OpenSLO v1 files, or in Sloth's.

    One file for each service, and an AlertRouting file as `init` writes it. Whatever is not carried over is named on
    standard error, with its place. Exit code 2 where no SLO can be carried over.
    """
    from rulegen.drafts import openslo, sloth
    from rulegen.drafts.carried_over import sources

    with input_errors():
        found = sources(file)
        result = openslo.carry_over(found) if form == "openslo" else sloth.carry_over(found)
        for problem in sorted(result.told):
            click.echo(str(problem), err=True)
        files = result.files()
        if not files:
            refuse(f"{file[0]}: no SLO could be carried over")
        specs = write_drafts(files, out, force=force)
    shown = " ".join(shlex.quote(str(path)) for path in specs)
    click.echo(f"next: mlslo-rulegen generate {shown} --out {shlex.quote(str(out / 'generated'))}")
