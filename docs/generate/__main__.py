"""`scripts/docs`: write the generated pages, or with --check compare them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from docs.generate import pages

ROOT = Path(__file__).resolve().parent.parent.parent


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 with a diff where a page is stale.")
def main(check: bool) -> None:
    """Write the pages of docs/ that are generated from code."""
    rendered, problems = pages.render(ROOT)
    for problem in problems:
        click.echo(problem, err=True)
    if check:
        difference = pages.differences(ROOT, rendered)
        click.echo(difference, nl=False)
        if difference:
            click.echo("docs: stale; run scripts/docs", err=True)
        if difference or problems:
            sys.exit(1)
        return
    for name in pages.write(ROOT, rendered):
        click.echo(f"wrote {name}")
    if problems:
        sys.exit(1)


if __name__ == "__main__":
    main()
