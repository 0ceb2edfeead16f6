"""Commands of mlslo-exporter, each in a file of its own that is imported when it is called."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

import click

from mlslo.command_line import PATH

MONITORS = click.argument("monitors", metavar="MONITOR...", nargs=-1, required=True, type=PATH)
"""The argument of every command that takes monitor files."""
MONITOR = click.argument("monitor", metavar="MONITOR", type=PATH)
"""The argument of every command that takes one."""


def time_of(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return a time in RFC 3339 as Unix seconds: the callback of options that take one."""
    if value is None:
        return None
    with suppress(ValueError):
        time = datetime.fromisoformat(value)
        if time.tzinfo is not None:
            return time.timestamp()
    message = f"expected a time such as 2026-01-31T12:00:00Z, got '{value}'"
    raise click.BadParameter(message, context, parameter)


AT = click.option(
    "--at", metavar="RFC3339", callback=time_of, help="Evaluate the windows as of then (default: now)."
)
"""The end of the windows, as Unix seconds."""

ENGINE = click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="Where records are read and counted: in this process, or by Spark (extra 'spark').",
)
MASTER = click.option(
    "--spark.master",
    "master",
    metavar="URL",
    help="Spark's master (default: that of spark-submit or of Spark's configuration, else this machine).",
)
"""Options of the commands that Spark can run."""
