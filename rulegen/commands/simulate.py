"""mlslo-rulegen simulate."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mlslo.command_line import PATH, input_errors
from mlslo.yamlfile import Problem
from rulegen.alertmanager.merge import Base
from rulegen.commands.options import loaded_specs
from rulegen.output import generated_files
from rulegen.simulation import expectations, play, report, scenario, setup
from rulegen.spec.routing_names import version


def _version(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else str(version(value))
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


@click.command()
@click.argument("spec", nargs=-1, required=True, type=PATH)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    required=True,
    type=PATH,
    help="An AlertScenario file: what fires when. May be given several times.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people or for programs.",
)
@click.option(
    "--alertmanager",
    metavar="VERSION",
    callback=_version,
    help="Alertmanager's version, such as 0.25.  [default: the newest of the routing file's target]",
)
@click.option("--base", type=PATH, help="The alertmanager.yaml that others keep, as for generate.")
def simulate(
    spec: tuple[Path, ...],
    scenarios: tuple[Path, ...],
    form: str,
    alertmanager: str | None,
    base: Path | None,
) -> None:
    """Print who is told what and when, in which group, and what is held back by what.

    Nothing is sent: Alertmanager's own rules are evaluated on the alertmanager.yaml that the specs generate. Exit
    code 1 where a scenario expects something else.
    """
    with input_errors():
        loaded = loaded_specs(spec)
        others = Base.read(base) if base is not None else None
        setups = [setup.resolve(loaded, scenario.load(path), others) for path in scenarios]
    problems: list[Problem] = []
    found: list[dict[str, Any]] = []
    if alertmanager is not None:
        setups = [replace(one, alertmanager=alertmanager) for one in setups]
    for index, one in enumerate(setups):
        outcome = play(one)
        problems += expectations.unmet(one, outcome)
        found.append(report.as_data(one, outcome))
        if form == "text":
            click.echo("\n" * bool(index) + report.as_text(one, outcome), nl=False)
    if form == "json":
        click.echo(generated_files.json_text(found), nl=False)
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        raise SystemExit(1)
