"""mlslo-rulegen: generate, check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from exporter.yamlfile import InputError
from rulegen import output, specs
from rulegen.generate import Generated, generate

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)


def _takes_specs(command: Command) -> Command:
    command = click.option(
        "--out", type=_PATH, default=Path(), show_default="this folder", help="Folder of the generated files."
    )(command)
    return click.argument("spec", nargs=-1, required=True, type=_PATH)(command)


@contextmanager
def _input_errors() -> Iterator[None]:
    """Input that cannot be used: one line per problem, exit code 2."""
    try:
        yield
    except InputError as error:
        click.echo(str(error), err=True)
        raise SystemExit(2) from None


def _generated(spec: tuple[Path, ...]) -> Generated:
    result = generate(specs.load(spec))
    for warning in result.warnings:
        click.echo(warning, err=True)
    return result


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlslo")
def main() -> None:
    """From SLO specs to rules, unit tests, routing and dashboards.

    SPEC are ModelSLO files, one AlertRouting file and, where at hand, ModelMonitor files to check the
    names against; a folder stands for all of those in it. Exit codes: 0 fine, 1 the files are not what
    the specs say, 2 the input is wrong.
    """


@main.command("generate")
@_takes_specs
def generate_command(spec: tuple[Path, ...], out: Path) -> None:
    """Write rules, their unit tests, alertmanager.yaml and dashboards.

    All files are written or none. Files that are already right are left alone.
    """
    with _input_errors():
        result = _generated(spec)
        written = output.write(out, result.files)
    for name in written:
        click.echo(f"wrote {out / name}")
    same = len(result.files) - len(written)
    click.echo(f"{result.alerts} alerts in {len(result.files)} files, {same} of them unchanged")
    for name in output.stale(out, result.files):
        click.echo(
            f"{out / name}: warning: generated earlier, not by these specs; delete it or name its spec",
            err=True,
        )


@main.command()
@_takes_specs
def check(spec: tuple[Path, ...], out: Path) -> None:
    """Compare the files on disk with what the specs say; exit 1 with a diff where they differ."""
    with _input_errors():
        result = _generated(spec)
    difference = output.differences(out, result.files)
    if difference:
        click.echo(difference, nl=False)
        count = sum(line.startswith("--- ") for line in difference.splitlines())
        click.echo(f"{count} of {len(result.files)} files are not what the specs say", err=True)
        raise SystemExit(1)
    click.echo(f"{len(result.files)} files are what the specs say")
