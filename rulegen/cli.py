"""mlslo-rulegen: generate, check, simulate, silence, schema."""

from __future__ import annotations

import gc
import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from exporter.yamlfile import Duration, InputError, Problem
from rulegen import foreign, output, review, schema, silence, specs, writing
from rulegen.conventions import SLO, TIER
from rulegen.generate import FORMATS, Format, Generated, generate
from rulegen.merge import Base
from rulegen.simulation import expectations, play, report, scenario, story

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)


def _takes_specs(command: Command) -> Command:
    command = click.option(
        "--base",
        type=_PATH,
        help="An alertmanager.yaml that others keep: it is written with our part among theirs.",
    )(command)
    command = click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        default="prometheus",
        show_default=True,
        help="Files for Prometheus and Alertmanager, or objects for prometheus-operator.",
    )(command)
    command = click.option(
        "--out", type=_PATH, default=Path(), show_default="this folder", help="Folder of the generated files."
    )(command)
    return click.argument("spec", nargs=-1, required=True, type=_PATH)(command)


_STRICT = click.option(
    "--strict", is_flag=True, help="Exit code 1 where anything is warned of; see docs/lint for each warning."
)


@contextmanager
def _input_errors() -> Iterator[None]:
    """Input that cannot be used: one line per problem, exit code 2."""
    try:
        yield
    except InputError as error:
        click.echo(str(error), err=True)
        raise SystemExit(2) from None
    except OSError as error:
        # A pipe that nobody reads any more has no name; click knows it.
        if error.filename is None:
            raise
        click.echo(str(Problem(str(error.filename), 0, 0, f"cannot be used: {error.strerror}")), err=True)
        raise SystemExit(2) from None


@contextmanager
def _much_that_stays() -> Iterator[None]:
    """Without the search for cycles: it would look again and again through all that was made, for nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _generated(spec: tuple[Path, ...], form: Format, base: Path | None) -> Generated:
    with _much_that_stays():
        loaded = specs.load(spec)
        result = generate(loaded, form, Base.read(base) if base is not None else None)
    for said in (*result.notes, *result.warnings):
        click.echo(str(said), err=True)
    return result


def _strictly(strict: bool, warnings: int) -> None:
    """With --strict a warning is what is wrong."""
    if strict and warnings:
        click.echo(
            f"{warnings} {'warning' if warnings == 1 else 'warnings'}, which --strict refuses", err=True
        )
        raise SystemExit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlslo")
def main() -> None:
    """From SLO specs to rules, unit tests, routing and dashboards.

    SPEC are ModelSLO files, one AlertRouting file and, where at hand, ModelMonitor files to check the
    names against; a folder stands for all of those in it. Exit codes: 0 fine, 1 the files are not what
    the specs say, 2 the input is wrong.
    """


@main.command("generate")
@_takes_specs
@_STRICT
def generate_command(
    spec: tuple[Path, ...], out: Path, form: Format, base: Path | None, strict: bool
) -> None:
    """Write rules, their unit tests, alertmanager.yaml and dashboards.

    All files are written or none. Files that are already right are left alone. Each warning ends with the name
    of its page in docs/lint; with --strict nothing is written where there is one.
    """
    with _input_errors(), _much_that_stays():
        result = _generated(spec, form, base)
        stale = output.stale(out, result.files)
        for name in stale:
            message = "warning: generated earlier, not by these specs; delete it or name its spec"
            click.echo(f"{out / name}: {message}", err=True)
        _strictly(strict, len(result.warnings) + len(stale))
        foreign.refuse(out, result.files, base)
        written = writing.write(out, result.files)
    if written:
        # A Path for each of thousands of names takes longer than to print them.
        folder = str(out / "x")[:-1]
        click.echo("\n".join(f"wrote {folder}{name}" for name in written))
    same = len(result.files) - len(written)
    click.echo(f"{result.alerts} alerts in {len(result.files)} files, {same} of them unchanged")


@main.command()
@_takes_specs
@click.option(
    "--diff",
    "shown",
    type=click.Choice(["both", "words", "unified"]),
    default="both",
    show_default=True,
    help="What is shown of the changes: words for a review, a unified diff, or first the one, then the other.",
)
@_STRICT
def check(
    spec: tuple[Path, ...], out: Path, form: Format, base: Path | None, shown: str, strict: bool
) -> None:
    """Compare the files on disk with what the specs say; exit 1, and show how, where they differ."""
    with _input_errors():
        result = _generated(spec, form, base)
        difference = output.differences(out, result.files)
    if difference:
        if shown != "unified":
            for line in review.words(out, result.files, result.audiences):
                click.echo(line)
        if shown == "both":
            click.echo()
        if shown != "words":
            click.echo(difference, nl=False)
        count = sum(line.startswith("--- ") for line in difference.splitlines())
        click.echo(f"{count} of {len(result.files)} files are not what the specs say", err=True)
        raise SystemExit(1)
    click.echo(f"{len(result.files)} files are what the specs say")
    _strictly(strict, len(result.warnings))


@main.command()
@click.argument("spec", nargs=-1, required=True, type=_PATH)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    required=True,
    type=_PATH,
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
@click.option("--base", type=_PATH, help="The alertmanager.yaml that others keep, as for generate.")
def simulate(spec: tuple[Path, ...], scenarios: tuple[Path, ...], form: str, base: Path | None) -> None:
    """Print who is told what and when, in which group, and what is held back by what.

    Nothing is sent: Alertmanager's own rules are evaluated on the alertmanager.yaml that the specs generate. Exit
    code 1 where a scenario expects something else.
    """
    with _input_errors():
        loaded = specs.load(spec)
        others = Base.read(base) if base is not None else None
        stories = [story.tell(loaded, scenario.load(path), others) for path in scenarios]
    problems: list[Problem] = []
    found: list[dict[str, Any]] = []
    for index, told in enumerate(stories):
        outcome = play(told)
        problems += expectations.unmet(told, outcome)
        found.append(report.as_data(told, outcome))
        if form == "text":
            click.echo("\n" * bool(index) + report.as_text(told, outcome), nl=False)
    if form == "json":
        click.echo(output.json_text(found), nl=False)
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        raise SystemExit(1)


def _length(context: click.Context, parameter: click.Parameter, value: str) -> Duration:
    try:
        return Duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


@main.command("silence")
@click.argument("spec", nargs=-1, required=True, type=_PATH)
@click.option("--model", required=True, help="Whose alerts.")
@click.option("--layer", help="Only those of a layer: service, data, prediction, outcome, meta.")
@click.option("--slo", help="Only those of an SLO.")
@click.option("--tier", help="Only those of a tier.")
@click.option(
    "--for",
    "length",
    required=True,
    metavar="DURATION",
    callback=_length,
    help="From now on so long, such as 2h.",
)
@click.option("--comment", required=True, help="Why; people read it in Alertmanager.")
@click.option("--author", default=getpass.getuser, show_default="your user name", help="Who.")
@click.option(
    "--alertmanager",
    "url",
    metavar="URL",
    default="http://localhost:9093",
    show_default=True,
    help="Where it is made.",
)
@click.option("--basic-auth-file", type=_PATH, help="A file of one line, user:password.")
@click.option("--dry-run", is_flag=True, help="Make none, only print what it would hold back.")
def silence_command(
    spec: tuple[Path, ...],
    model: str,
    layer: str | None,
    slo: str | None,
    tier: str | None,
    length: Duration,
    comment: str,
    author: str,
    url: str,
    basic_auth_file: Path | None,
    dry_run: bool,
) -> None:
    """Silence alerts of a model in a running Alertmanager, for a retraining or a known outage.

    Names that are not in the specs are refused: a silence of nothing looks like one. Exit code 1 where
    Alertmanager is not reached, or refuses.
    """
    with _input_errors():
        loaded = specs.load(spec)
        selection = silence.Selection(model, layer, slo, tier)
        alerts = silence.covered(loaded, selection)
        address = silence.alertmanager_url(url)
        secret = silence.credentials(basic_auth_file) if basic_auth_file else None
    start = datetime.now(UTC).replace(microsecond=0)
    until = f"{start + timedelta(seconds=length.seconds):%a %d %b %Y %H:%M:%S UTC}"
    if not dry_run:
        try:
            made = silence.create(address, selection, start, length, comment, author, secret)
        except silence.RefusedError as error:
            click.echo(str(error), err=True)
            raise SystemExit(1) from None
    click.echo(f"silence {'not made' if dry_run else made}: until {until}, {length} from now")
    click.echo(f"it holds back {len(alerts)} {'alert' if len(alerts) == 1 else 'alerts'}:")
    for alert in alerts:
        click.echo(f"  {alert.labels[TIER]} {alert.labels[SLO]} {alert.name}")
    if hidden := silence.urgent(loaded, alerts):
        names = ", ".join(dict.fromkeys(alert.name for alert in hidden))
        message = f"warning: {hidden[0].labels[TIER]} is among them, nobody is woken for {names}"
        click.echo(message, err=True)
    if not dry_run:
        click.echo(f"to end it earlier: amtool --alertmanager.url={address} silence expire {made}")


@main.command("schema")
@click.option(
    "--kind",
    type=click.Choice([*schema.KINDS, schema.ANY]),
    default=schema.ANY,
    show_default=True,
    help="Of which kind of file; mlslo: of any of them.",
)
@click.option(
    "--out", type=_PATH, help="Write the schemas of all kinds into this folder instead of printing one."
)
def schema_command(kind: str, out: Path | None) -> None:
    """Print a JSON Schema with which editors complete and check the files."""
    if out is None:
        click.echo(schema.text(kind), nl=False)
        return
    with _input_errors():
        for name in writing.write(out, schema.files()):
            click.echo(f"wrote {out / name}")
