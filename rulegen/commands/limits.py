"""mlslo-rulegen limits."""

import json
from pathlib import Path

import click

from mlslo.command_line import PATH, input_errors
from rulegen.slo.limits import limits as limits_of
from rulegen.validation import specs


@click.command()
@click.argument("spec", nargs=-1, required=True, type=PATH)
@input_errors()
def limits(spec: tuple[Path, ...]) -> None:
    """Print the limits of ModelSLO files as JSON, for `mlslo-exporter gate`: one object for each condition on a gauge.

    Files of other kinds among SPEC are passed over: no AlertRouting file is needed.
    """
    found = limits_of(specs.load_models(spec))
    rows = [limit.model_dump() for limit in found]
    click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
