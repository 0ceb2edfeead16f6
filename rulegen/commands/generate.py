"""mlslo-rulegen generate."""

from pathlib import Path

import click

from mlslo.command_line import input_errors
from rulegen.commands.options import JOBS, STRICT, generated, strictly, takes_specs
from rulegen.generate import Format
from rulegen.output import existing, generated_files, writing


@click.command()
@takes_specs
@STRICT
@JOBS
@click.option("--force", is_flag=True, help="Generate every model's files again, also those that stand.")
def generate(
    spec: tuple[Path, ...], out: Path, form: Format, base: Path | None, strict: bool, jobs: int, force: bool
) -> None:
    """Write rules, their unit tests, alertmanager.yaml, runbooks and dashboards.

    All files are written or none. A model is passed over where its files carry the hash of its specs and nobody
    edited them; files that are already right are left alone. Each warning ends with the name of its page in
    docs/lint; with --strict nothing is written where there is one.
    """
    with input_errors():
        result = generated(spec, form, base, jobs, None if force else out)
        stale = generated_files.stale(out, result.names)
        for name in stale:
            message = "warning: generated earlier, not by these specs; delete it or name its spec"
            click.echo(f"{out / name}: {message}", err=True)
        strictly(strict, len(result.warnings) + len(stale))
        existing.refuse(out, result.files, base)
        written = writing.write(out, result.files)
    for name in written:
        click.echo(f"wrote {out / name}")
    same = len(result.names) - len(written)
    click.echo(f"{result.alerts} alerts in {len(result.names)} files, {same} of them unchanged")
