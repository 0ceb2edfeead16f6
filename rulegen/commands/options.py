"""What the commands share: how specs are named, read and generated from, and how wrong input is told."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from mlslo.command_line import PATH
from mlslo.yamlfile import InputError
from rulegen.alertmanager.merge import Base
from rulegen.drafts import ROUTING
from rulegen.generate import FORMATS, Format, Generated, generate
from rulegen.output import writing
from rulegen.validation import specs
from rulegen.validation.specs import Specs

ROUTING_FILE = "routing.yaml"
Command = TypeVar("Command", bound=Callable[..., Any])


def takes_specs(command: Command) -> Command:
    command = click.option(
        "--base",
        type=PATH,
        help="An alertmanager.yaml that others keep: it is written with our part among theirs.",
    )(command)
    command = click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        default="prometheus",
        show_default=True,
        help="Files for Prometheus and Alertmanager, or objects for prometheus-operator.",
    )(command)
    command = click.option(
        "--out", type=PATH, default=Path(), show_default="this folder", help="Folder of the generated files."
    )(command)
    return click.argument("spec", nargs=-1, required=True, type=PATH)(command)


STRICT = click.option(
    "--strict", is_flag=True, help="Exit code 1 where anything is warned of; see docs/lint for each warning."
)


JOBS = click.option(
    "--jobs",
    type=click.IntRange(1),
    default=lambda: len(os.sched_getaffinity(0)),
    show_default="the processors",
    help="How many processes generate, where there are many models.",
)


def loaded_specs(spec: tuple[Path, ...]) -> Specs:
    """Read SPEC, and say which files of folders are passed over."""
    loaded = specs.load(spec)
    for note in loaded.notes:
        click.echo(str(note), err=True)
    return loaded


def generated(
    spec: tuple[Path, ...], form: Format, base: Path | None, jobs: int, standing_in: Path | None = None
) -> Generated:
    """Read SPEC and generate, and print what the user should know."""
    loaded = loaded_specs(spec)
    read_base = Base.read(base) if base is not None else None
    result = generate(loaded, form, read_base, jobs=jobs, standing_in=standing_in)
    for said in (*result.notes, *result.warnings):
        click.echo(str(said), err=True)
    return result


def strictly(strict: bool, warnings: int) -> None:
    """With --strict a warning is what is wrong."""
    if strict and warnings:
        click.echo(
            f"{warnings} {'warning' if warnings == 1 else 'warnings'}, which --strict refuses", err=True
        )
        raise SystemExit(1)


def write_drafts(drafts: Mapping[str, str], out: Path, *, force: bool) -> list[Path]:
    """Write ModelSLO files (name -> text) and, where there is none, an AlertRouting file; return their paths.

    Raises InputError where a ModelSLO file is there, unless with ``force``.
    """
    files = {f"{name}.slo.yaml": text for name, text in drafts.items()}
    there = [
        InputError.of_file(out / name, "is there already; --force writes over it")
        for name in files
        if (out / name).exists()
    ]
    if there and not force:
        raise InputError([problem for error in there for problem in error.problems])
    if not (out / ROUTING_FILE).exists():
        files[ROUTING_FILE] = ROUTING
    writing.write(out, files)
    for name in files:
        click.echo(f"wrote {out / name}")
    if ROUTING_FILE not in files:
        click.echo(f"kept {out / ROUTING_FILE}")
    return [out / name for name in [*(f"{name}.slo.yaml" for name in drafts), ROUTING_FILE]]
