"""mlslo-exporter metrics."""

from __future__ import annotations

import json

import click

from mlslo.catalogue import as_data


@click.command()
@click.option(
    "--format",
    "layout",
    type=click.Choice(["markdown", "json"]),
    default="markdown",
    show_default=True,
    help="As what.",
)
def metrics(layout: str) -> None:
    """The catalogue: every metric's name, type, labels, unit, layer, better direction and help."""
    from mlslo.catalogue.markdown import render

    click.echo(json.dumps(as_data(), indent=2) if layout == "json" else render(), nl=layout == "json")
