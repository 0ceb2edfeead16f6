"""mlslo-rulegen: generate, check, simulate, silence, schema."""

from __future__ import annotations

from importlib import import_module

import click

_NAMES = ("check", "generate", "schema", "silence", "simulate")


class _Commands(click.Group):
    """A command is imported when it is called: what generates needs nothing of what simulates."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _NAMES:
            # click looks among them for what was meant.
            self.commands = {name: _imported(name) for name in _NAMES}
        elif cmd_name not in self.commands:
            self.add_command(_imported(cmd_name))
        return super().get_command(ctx, cmd_name)


def _imported(name: str) -> click.Command:
    command: click.Command = getattr(import_module(f"rulegen.commands.{name}"), name)
    return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlslo")
def main() -> None:
    """From SLO specs to rules, unit tests, routing and dashboards.

    SPEC are ModelSLO files, one AlertRouting file and, where at hand, ModelMonitor files to check the
    names against; a folder stands for all of those in it. Exit codes: 0 fine, 1 the files are not what
    the specs say, 2 the input is wrong.
    """
