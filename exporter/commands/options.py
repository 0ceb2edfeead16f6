"""Arguments that several commands of mlslo-exporter take."""

from __future__ import annotations

import click

from mlslo.command_line import PATH

MONITORS = click.argument("monitors", metavar="MONITOR...", nargs=-1, required=True, type=PATH)
