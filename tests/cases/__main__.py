"""Which cases the generated tests take each alert through, over many specs.

    python -m tests.cases [--specs 300] [--seed 1] [SPEC...]

Of each spec the rules and tests are generated, promtool runs the tests, and each alert is looked up in them. Says
which cases were found how often, which alerts lack one and where the generator says so, and every spec of which a test
fails, a case is missing untold, or generation breaks.
"""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import click
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.cases.judge import CASES
from tests.cases.specs import specs
from tests.cases.trial import Trial, tried, tried_data


class _Tally:
    """What was found so far."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self.not_applicable: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.alerts = self.specs = 0
        self.broken: list[str] = []

    def add(self, what: str, trial: Trial) -> None:
        """Count what came of a spec."""
        self.specs += 1
        if trial.refused:
            self.refused[trial.refused.splitlines()[0].split(": ", 1)[-1]] += 1
            return
        self.alerts += len(trial.judged)
        for one in trial.judged:
            self.found.update(one.found)
            self.not_applicable.update(list(one.not_applicable))
        for one, said in trial.noted:
            self.noted[f"{', '.join(one.missing)}: {said}"] += 1
        if trial.failed or trial.untold:
            missing = "".join(f"{one.alert} lacks {', '.join(one.missing)}\n" for one in trial.untold)
            self.broken.append(f"{what}\n{missing}{trial.failed[:4000]}")

    def say(self) -> None:
        for case in CASES:
            click.echo(f"{case}: {self.found[case]} alerts, {self.not_applicable[case]} cannot have it")
        click.echo(f"{self.noted.total()} alerts lack a case and are noted")
        for said, count in self.noted.most_common():
            click.echo(f"  {count} times {said}")
        click.echo(f"{self.refused.total()} specs refused")
        for said, count in self.refused.most_common():
            click.echo(f"  {count} times {said}")
        for said in self.broken:
            click.echo(f"BROKEN\n{said}")
        click.echo(f"{self.alerts} alerts of {self.specs} specs, {len(self.broken)} specs broken")


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[SPEC]...")
@click.option("--specs", "many", default=300, help="How many random specs, where no file is given.")
@click.option("--seed", "start", default=1, help="Of those.")
def cases(files: tuple[Path, ...], many: int, start: int) -> int:
    """Judge the generated tests."""
    tally = _Tally()
    if files:
        paths = [path for one in files for path in (sorted(one.glob("*.yaml")) if one.is_dir() else [one])]
        tally.add(" ".join(map(str, paths)), tried(paths, proved=True))
    else:
        _random(tally, many, start)
    tally.say()
    return 1 if tally.broken else 0


def _random(tally: _Tally, many: int, start: int) -> None:
    @seed(start)
    @settings(
        max_examples=many,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(specs())
    def trials(spec: tuple[dict[str, Any], str]) -> None:
        what = f"# evaluationInterval: {spec[1]}\n{yaml.safe_dump(spec[0], sort_keys=False)}"
        try:
            tally.add(what, tried_data(*spec))
        except Exception:
            tally.broken.append(f"{what}\n{traceback.format_exc()}")
        if tally.specs % 20 == 0:
            click.echo(f"{tally.specs} specs, {len(tally.broken)} broken", err=True)

    trials()


if __name__ == "__main__":
    sys.exit(cases(standalone_mode=False))
