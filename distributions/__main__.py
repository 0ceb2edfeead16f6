"""`scripts/build`: write dist/, and with --check install what is in it at both ends of the bounds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from distributions import bounds
from distributions.bill import bill
from distributions.build import build
from distributions.split import CORE, Distribution, SplitError, split
from mlslo.version import VERSION

ROOT = Path(__file__).resolve().parent.parent


@click.command()
@click.option(
    "--check", is_flag=True, help="Install them into empty environments at both ends of the bounds."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=ROOT / "dist", help="Where they go; dist/ by default."
)
def main(check: bool, out: Path) -> None:
    """Build the distributions of mlslo."""
    try:
        distributions = split(ROOT)
        with tempfile.TemporaryDirectory(prefix="mlslo-build-") as name:
            scratch = Path(name)
            _build(distributions, scratch, out)
            if check:
                _check(distributions, scratch, out)
    except subprocess.CalledProcessError as error:
        sys.exit(f"build: failed\n{error.output}")
    except (SplitError, bounds.BoundsError) as error:
        sys.exit(f"build: {error}")


def _build(distributions: tuple[Distribution, ...], scratch: Path, out: Path) -> None:
    """Build all into ``scratch`` first: ``out`` holds this version whole, or what it held before."""
    built = scratch / "dist"
    for distribution in distributions:
        build(ROOT, distribution, scratch / "projects", built)
        text = bill(distribution, {part.name: part for part in distributions})
        (built / f"{distribution.name.replace('-', '_')}-{VERSION}.cdx.json").write_text(
            text, encoding="utf-8"
        )
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted(built.iterdir()):
        shutil.copy(file, out)
        print(f"{file.stat().st_size / 1024:8.0f} KiB  {out / file.name}")


def _check(distributions: tuple[Distribution, ...], scratch: Path, out: Path) -> None:
    constraints = {"lowest": bounds.lowest(distributions), "highest": []}
    rows = []
    for distribution in distributions:
        if distribution.name == CORE:
            continue
        for end in bounds.ENDS:
            print(f"build: {distribution.name} at the {end} bounds", file=sys.stderr)
            folder = scratch / f"{distribution.name}-{end}"
            files = bounds.wheels(distribution, out)
            commands = bounds.install(files, folder, constraints[end])
            bounds.try_out(distribution, commands, ROOT, scratch)
            if end == "highest":
                size = bounds.size(commands)
                rows.append(f"| `{distribution.name}` | {size.packages} | {size.bytes / 2**20:.0f} |")
            if distribution.extras:
                # The same environment, now with all extras: each of them must install and leave the example as it is.
                bounds.install(bounds.wheels(distribution, out, extras=True), folder, constraints[end])
                bounds.try_out(distribution, commands, ROOT, scratch)
            shutil.rmtree(folder)
    print("| distribution | packages | MiB |", "|---|---|---|", *rows, sep="\n")


if __name__ == "__main__":
    main()
