"""mlslo-rulegen generate."""

from __future__ import annotations

from pathlib import Path

import click

from mlslo.command_line import input_errors
from rulegen.commands.options import STRICT, generated, much_that_stays, strictly, takes_specs
from rulegen.generate import Format
from rulegen.output import existing, generated_files, writing


@click.command()
@takes_specs
@STRICT
def generate(spec: tuple[Path, ...], out: Path, form: Format, base: Path | None, strict: bool) -> None:
    """Write rules, their unit tests, alertmanager.yaml and dashboards.

    All files are written or none. Files that are already right are left alone. Each warning ends with the name
    of its page in docs/lint; with --strict nothing is written where there is one.
    """
    with input_errors(), much_that_stays():
        result = generated(spec, form, base)
        stale = generated_files.stale(out, result.files)
        for name in stale:
            message = "warning: generated earlier, not by these specs; delete it or name its spec"
            click.echo(f"{out / name}: {message}", err=True)
        strictly(strict, len(result.warnings) + len(stale))
        existing.refuse(out, result.files, base)
        written = writing.write(out, result.files)
    if written:
        # A Path for each of thousands of names takes longer than to print them.
        folder = str(out / "x")[:-1]
        click.echo("\n".join(f"wrote {folder}{name}" for name in written))
    same = len(result.files) - len(written)
    click.echo(f"{result.alerts} alerts in {len(result.files)} files, {same} of them unchanged")
