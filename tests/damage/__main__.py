"""Damage specs, scenarios and command lines at random, and tell what must not come of it.

    python -m tests.damage [--cases 20000] [--seed 1] [--from N] [--keep FOLDER]

Each case is a run of a command in a process of its own. A finding is printed with its number, by which
--from N --cases 1 plays it again. Exit code 1 where there is one.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import click

from tests.damage import judge, oracles, run
from tests.damage.cases import Case, make


def findings(case: Case, folder: Path, shares: tuple[float, float], chance: Random) -> tuple[str, list[str]]:
    """The exit code, or how it failed, and what is wrong.

    ``shares``: of what was accepted, how much promtool and amtool check, and how much promtool tests.
    """
    run.prepare(case, folder)
    before = run.snapshot(folder)
    # What stood there before is not asked for by these specs.
    fresh = not any(name.startswith("out") for name in case.files)
    once_more = case.arguments[0] == "generate" and fresh and chance.random() < 0.2
    check = [part for part in case.arguments if part != "--strict"]
    then = [case.arguments, ["check", *check[1:]]] if once_more else []
    outcomes = run.apart(case, folder, then)
    first = outcomes[0]
    found = list(judge.problems(case, first, before, run.snapshot(folder)))
    found += _again(outcomes[1:])
    if first.code == 0 and case.arguments[0] == "generate":
        found += oracles.schemas(case, folder)
        if chance.random() < shares[0]:
            found += oracles.rules(case, folder)
        if chance.random() < shares[1]:
            found += oracles.tests(case, folder)
    return "failed" if first.failure else f"exit {first.code}", found


def _again(outcomes: list[run.Outcome]) -> Iterator[str]:
    for outcome, what in zip(outcomes, ("generate again", "check of what was generated"), strict=False):
        if outcome.failure or outcome.code:
            yield f"{what}: exit code {outcome.code} {outcome.failure}{outcome.stdout[:500]}{outcome.stderr[:500]}"
        elif "wrote " in outcome.stdout:
            yield f"{what} wrote {outcome.stdout[:200]}"


def alike(finding: str) -> str:
    """Return the part that findings of one cause have in common."""
    last = finding.strip().splitlines()[-3:] if "Traceback" in finding else [finding[:160]]
    return re.sub(r"\d+|'[^']*'|\"[^\"]*\"|[\w./-]+\.ya?ml", "…", " ".join(last))


@click.command()
@click.option("--cases", default=2000, show_default=True, help="How many.")
@click.option("--seed", default=1, show_default=True, help="Another gives others.")
@click.option("--from", "start", default=0, show_default=True, help="Number of the first.")
@click.option("--keep", type=click.Path(path_type=Path), help="Where the files of findings are kept.")
@click.option(
    "--rules", default=0.05, show_default=True, help="Share of accepted specs whose rules promtool checks."
)
@click.option(
    "--tests", default=0.004, show_default=True, help="Share of them whose generated tests it runs."
)
def fuzz(cases: int, seed: int, start: int, keep: Path | None, rules: float, tests: float) -> None:
    """Run damaged files and command lines; print what is wrong, and count."""
    began = time.monotonic()
    counts: Counter[tuple[str, str]] = Counter()
    causes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(start, start + cases):
            chance = Random(f"{seed}/{number}")
            case = make(chance)
            folder = Path(temporary) / str(number)
            folder.mkdir()
            answer, found = findings(case, folder, (rules, tests), chance)
            counts[case.command, answer] += 1
            for finding in found:
                cause = alike(finding)
                causes[cause] += 1
                if causes[cause] <= 3:
                    click.echo(f"--- {number}: {case}\n{finding.rstrip()}")
                    if keep is not None:
                        run.prepare(case, keep / str(number))
            run.clear(folder)
            if (number + 1) % 500 == 0:
                click.echo(
                    f"{number + 1}: {causes.total()} findings, {time.monotonic() - began:.0f} s", err=True
                )
    for (command, answer), count in sorted(counts.items()):
        click.echo(f"{command:32} {answer:10} {count:6}")
    click.echo(
        f"{cases} cases (seed {seed}, from {start}), {causes.total()} findings of {len(causes)} causes"
    )
    for cause, count in causes.most_common():
        click.echo(f"{count:6} {cause}")
    if causes:
        sys.exit(1)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    fuzz()
