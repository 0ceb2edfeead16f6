"""mlslo-rulegen backtest."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from mlslo.command_line import PATH, input_errors
from rulegen.backtest import judgement, report, revision, ruleset
from rulegen.commands.history_options import Stretch, takes_history
from rulegen.commands.options import loaded_specs
from rulegen.output.generated_files import json_text


@click.command()
@click.argument("spec", nargs=-1, required=True, type=PATH)
@takes_history
@click.option("--against", metavar="REV", help="Compare with the same spec files at this revision of Git.")
@click.option("--out", type=PATH, help="Compare with this folder of generated files.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="For people, for programs, or for a pull request's comment.",
)
def backtest(
    spec: tuple[Path, ...],
    stretch: Stretch,
    against: str | None,
    out: Path | None,
    form: str,
) -> None:
    """Say which alerts would have fired over a history, who would have been notified, and how often.

    A real Prometheus evaluates the rules, and Alertmanager's own rules are evaluated on its alerts; nothing is
    sent. Exit code 1 where there were more pages than an `expectedPages` of the specs allows.
    """
    if against is not None and out is not None:
        raise click.UsageError("expected one of --against and --out")
    with input_errors():
        specs = loaded_specs(spec)
        rules = ruleset.of_specs(specs)
        before = None
        if out is not None:
            before = ruleset.of_folder(out, rules)
        elif against is not None:
            with tempfile.TemporaryDirectory(prefix="mlslo-backtest-") as unpacked:
                old = revision.load(spec, against, Path(unpacked), specs)
                before = ruleset.empty(rules) if old is None else ruleset.of_specs(old)
    with stretch.opened([rules] if before is None else [rules, before]) as (judge, source):
        found = judge.judge(rules)
        changed = [] if before is None else judgement.changes(judge.judge(before), found)
    compared = None if before is None else against or str(out)
    note = ruleset.coarse(rules.alerts, source.step)
    kept = tuple(judgement.budgets(specs, found))
    said = report.Report(source.name, found, kept, compared, changed, note, judge.store.unacted)
    if form == "json":
        click.echo(json_text(report.as_data(said)), nl=False)
    else:
        click.echo((report.as_text if form == "text" else report.as_markdown)(said), nl=False)
    for problem in said.problems:
        click.echo(str(problem), err=True)
    if said.problems:
        raise SystemExit(1)
