"""mlslo-rulegen silence."""

import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from mlslo.command_line import PATH, input_errors
from mlslo.yamlfile import Duration
from rulegen.alertmanager import silence as silences
from rulegen.commands.options import loaded_specs
from rulegen.promql.conventions import LAYER, MODEL, SLO, TIER


def _length(context: click.Context, parameter: click.Parameter, value: str) -> Duration:
    try:
        return Duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


@click.command()
@click.argument("spec", nargs=-1, required=True, type=PATH)
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
@click.option("--basic-auth-file", type=PATH, help="A file of one line, user:password.")
@click.option("--dry-run", is_flag=True, help="Make none, only print what it would hold back.")
def silence(
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
    with input_errors():
        loaded = loaded_specs(spec)
        given = {MODEL: model, LAYER: layer, SLO: slo, TIER: tier}
        selection = {label: value for label, value in given.items() if value is not None}
        alerts = silences.covered(loaded, selection)
        address = silences.alertmanager_url(url)
        secret = silences.credentials(basic_auth_file) if basic_auth_file else None
    start = datetime.now(UTC).replace(microsecond=0)
    until = f"{start + timedelta(seconds=length.seconds):%a %d %b %Y %H:%M:%S UTC}"
    if not dry_run:
        try:
            made = silences.create(address, selection, start, length, comment, author, secret)
        except silences.RefusedError as error:
            click.echo(str(error), err=True)
            raise SystemExit(1) from None
    click.echo(f"silence {'not made' if dry_run else made}: until {until}, {length} from now")
    click.echo(f"it holds back {len(alerts)} {'alert' if len(alerts) == 1 else 'alerts'}:")
    for alert in alerts:
        click.echo(f"  {alert.labels[TIER]} {alert.labels[SLO]} {alert.name}")
    if hidden := silences.urgent(loaded, alerts):
        names = ", ".join(dict.fromkeys(alert.name for alert in hidden))
        message = f"warning: {hidden[0].labels[TIER]} is among them, nobody is woken for {names}"
        click.echo(message, err=True)
    if not dry_run:
        click.echo(f"to end it earlier: amtool --alertmanager.url={address} silence expire {made}")
