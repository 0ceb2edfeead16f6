"""Commands of mlslo-exporter, each in a file of its own that is imported when it is called."""

import click

from mlslo.command_line import PATH

MONITORS = click.argument("monitors", metavar="MONITOR...", nargs=-1, required=True, type=PATH)
"""The argument of every command that takes monitor files."""
