"""mlslo-rulegen check."""

from pathlib import Path

import click

from mlslo.command_line import input_errors
from rulegen import review
from rulegen.commands.options import JOBS, STRICT, generated, strictly, takes_specs
from rulegen.generate import Format
from rulegen.output import generated_files


@click.command()
@takes_specs
@click.option(
    "--diff",
    "shown",
    type=click.Choice(["both", "words", "unified"]),
    default="both",
    show_default=True,
    help="What is shown of the changes: words for a review, a unified diff, or first the one, then the other.",
)
@STRICT
@JOBS
def check(
    spec: tuple[Path, ...], out: Path, form: Format, base: Path | None, shown: str, strict: bool, jobs: int
) -> None:
    """Compare the files on disk with what the specs say; exit 1, and show how, where they differ."""
    with input_errors():
        result = generated(spec, form, base, jobs)
        difference = generated_files.differences(out, result.files)
    if difference:
        none = not any((out / name).exists() for name in result.files)
        # A diff of what is nowhere would be thousands of lines; the folder may be the wrong one.
        shown = "words" if none and shown == "both" else shown
        if shown != "unified":
            for line in review.words(out, result.files, result.audiences):
                click.echo(line)
        if shown == "both":
            click.echo()
        if shown != "words":
            click.echo(difference, nl=False)
        count = sum(line.startswith("--- ") for line in difference.splitlines())
        wrong = f"{count} of {len(result.files)} files are not what the specs say"
        if none:
            wrong = (
                f"none of the {len(result.files)} files is in '{out}': "
                "generate writes them, --out names another folder"
            )
        click.echo(wrong, err=True)
        raise SystemExit(1)
    click.echo(f"{len(result.files)} files are what the specs say")
    strictly(strict, len(result.warnings))
