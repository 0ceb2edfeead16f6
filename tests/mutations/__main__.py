"""Every mutant of the rules of a corpus of specs, or of other specs, against the generated tests.

    python -m tests.mutations [--only GROUP]... [--share 0.1] [SPEC...]

Says which mutants survive, and how many of how many were caught. Takes many minutes: a mutant is a run of promtool.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from click.testing import CliRunner

from rulegen.cli import main as rulegen
from tests.mutations.equivalent import why, why_not_caught
from tests.mutations.judge import Verdict, subjects, verdicts

CORPUS = Path(__file__).parent / "corpus"
ROUTING = CORPUS.parent.parent / "contract" / "routing.yaml"


def generate(out: Path, specs: Sequence[Path]) -> list[Path]:
    """The rule files of ``specs``. Raises RuntimeError where they are refused."""
    result = CliRunner().invoke(rulegen, ["generate", *map(str, specs), "--out", str(out)])
    if result.exit_code:
        raise RuntimeError(result.stderr)
    files = (out / "rules").glob("*.yaml")
    return sorted(path for path in files if not path.stem.endswith("_test"))


@click.command()
@click.argument("specs", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--only", multiple=True, help="A group of rules; all, where not given.")
@click.option("--share", default=1.0, help="Of the mutants, chosen at random.")
def mutate(specs: tuple[Path, ...], only: tuple[str, ...], share: float) -> None:
    """Count the mutants that the generated tests catch."""
    rng = random.Random(1)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for path in generate(Path(folder), specs or (CORPUS, ROUTING)):
            for subject in subjects(path):
                if only and subject.group["name"] not in only:
                    continue
                proved = [mutant for mutant in subject.mutants if mutant.same]
                chosen = [m for m in subject.mutants if not m.same and rng.random() < share]
                counts["without effect, proved"] += len(proved)
                for verdict in verdicts(subject, chosen):
                    counts[_said(verdict)] += 1
                    if not verdict.caught and not verdict.invalid:
                        said = why(verdict.mutant) or why_not_caught(verdict.mutant)
                        click.echo(f"survived: {verdict.mutant}: {said or 'NO TEST CATCHES IT'}")
                click.echo(f"{subject.group['name']}: {dict(counts)}", err=True)
    tried = counts["caught"] + counts["survived"]
    click.echo(
        f"{counts['caught']} of {tried} caught ({counts['caught'] / max(tried, 1):.2%}); {dict(counts)}"
    )


def _said(verdict: Verdict) -> str:
    if verdict.invalid:
        return "no rule that Prometheus loads"
    if verdict.caught:
        return "caught"
    return "without effect, listed" if why(verdict.mutant) else "survived"


if __name__ == "__main__":
    sys.exit(mutate())
