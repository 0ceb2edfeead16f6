"""Fuzz a target, or all of them.

    python -m tests.fuzz [TARGET]... [--minutes 10] [--seed 1] [--keep FOLDER]

Inputs that reach new lines of code join tests/fuzz/corpus/TARGET/. Each finding is printed with its traceback, and its
input is written to FOLDER. Exit code 1 where there is one.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

import click

from tests.fuzz.fuzzing import fuzz, keep
from tests.fuzz.targets import TARGETS


@click.command()
@click.argument("names", nargs=-1, metavar="[TARGET]...", type=click.Choice(list(TARGETS)))
@click.option("--minutes", default=10.0, show_default=True, help="For each target.")
@click.option("--seed", default=1, show_default=True, help="Another gives other inputs.")
@click.option(
    "--keep", "folder", type=click.Path(path_type=Path), help="Where inputs of findings are written."
)
def main(names: tuple[str, ...], minutes: float, seed: int, folder: Path | None) -> None:
    """Mutate inputs of each target; keep the interesting ones, print what raises."""
    folder = folder or Path(tempfile.gettempdir()) / "mlslo-fuzz"
    found = 0
    for name in names or TARGETS:
        outcome = fuzz(name, TARGETS[name], seed=seed, seconds=minutes * 60)
        for data in outcome.new:
            keep(name, data)
        for finding in outcome.findings:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{name}-{hashlib.sha256(finding.data).hexdigest()[:16]}"
            path.write_bytes(finding.data)
            click.echo(f"{name}: {path}\n{finding.text}")
        found += len(outcome.findings)
        click.echo(
            f"{name}: {outcome.cases} inputs, {len(outcome.new)} new, {len(outcome.findings)} findings"
        )
    if found:
        sys.exit(1)


if __name__ == "__main__":
    main()
