"""mlslo-rulegen schema."""

from pathlib import Path

import click

from mlslo.command_line import PATH, input_errors
from rulegen.commands import json_schemas as schemas
from rulegen.output import writing


@click.command()
@click.option(
    "--kind",
    type=click.Choice([*schemas.KINDS, schemas.ANY]),
    default=schemas.ANY,
    show_default=True,
    help="Of which kind of file; mlslo: of any of them.",
)
@click.option(
    "--out", type=PATH, help="Write the schemas of all kinds into this folder instead of printing one."
)
def schema(kind: str, out: Path | None) -> None:
    """Print a JSON Schema with which editors complete and check the files."""
    if out is None:
        click.echo(schemas.text(kind), nl=False)
        return
    with input_errors():
        for name in writing.write(out, schemas.files()):
            click.echo(f"wrote {out / name}")
