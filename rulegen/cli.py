"""mlslo-rulegen: init, import, generate, check, simulate, backtest, tune, limits, silence, schema."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import click

from mlslo.command_line import LazyCommands, Program

_NAMES = (
    "init",
    "import",
    "generate",
    "check",
    "simulate",
    "backtest",
    "tune",
    "limits",
    "silence",
    "schema",
)


class _Program(Program):
    def main(self, args: Sequence[str] | None = None, *others: Any, **named: Any) -> Any:
        """Run with ``args``, or as a process of its own with those of its command line."""
        if args is None:
            # A run is short and keeps what it makes: the search for cycles would take two fifths of its time.
            gc.disable()
        return super().main(args, *others, **named)


@click.group(
    cls=_Program,
    commands=LazyCommands("rulegen.commands", _NAMES),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="mlslo")
def main() -> None:
    """From SLO specs to rules, unit tests, routing and dashboards.

    SPEC are ModelSLO files, one AlertRouting file and, where at hand, ModelMonitor files to check the
    names against; a folder stands for all of those in it. Exit codes: 0 fine, 1 the files are not what
    the specs say, 2 the input is wrong.
    """
