"""mlslo-exporter aggregate."""

from __future__ import annotations

import platform
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.commands import MONITORS
from exporter.commands.serving import (
    LIFECYCLE,
    LISTEN_ADDRESS,
    LOG_FORMAT,
    LOG_LEVEL,
    WEB_CONFIG,
    block_signals,
    run_daemon,
    served,
)
from exporter.daemon import logs
from mlslo.command_line import PATH, WRONG, input_errors, refuse
from mlslo.version import VERSION

if TYPE_CHECKING:
    from exporter.daemon.recovery import Build


def _url(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    from exporter.web.delivery import is_url

    for value in values:
        if not is_url(value) or "?" in value:
            message = (
                f"expected an http or https URL without a query, a password or a fragment, got '{value}'"
            )
            raise click.BadParameter(message, context, parameter)
    return values


def _name(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    from exporter.web.fleet import is_name

    for value in values:
        if not is_name(value):
            message = f"expected dns://NAME:PORT, got '{value}'"
            raise click.BadParameter(message, context, parameter)
    return values


@click.command()
@MONITORS
@click.option(
    "--from",
    "urls",
    metavar="URL",
    multiple=True,
    callback=_url,
    help="An exporter that runs with --web.enable-summaries, as http://HOST:PORT; may be repeated.",
)
@click.option(
    "--discover",
    "names",
    metavar="NAME",
    multiple=True,
    callback=_name,
    help="All exporters behind a name: each of its addresses, as dns://NAME:PORT; may be repeated.",
)
@click.option(
    "--discover.tls", "secure", is_flag=True, help="Ask exporters that are found by name over https."
)
@click.option(
    "--http.config.file",
    "http_config",
    type=PATH,
    help="basic_auth, authorization and tls_config for the exporters, as Prometheus has it; secrets by file only.",
)
@click.option(
    "--state-dir",
    type=PATH,
    default=Path("mlslo-fleet-state"),
    show_default=True,
    help="What the exporters sent last, and its sum; one file per model.",
)
@click.option(
    "--once", is_flag=True, help="Ask once, print the exposition text on standard output, and leave."
)
@LISTEN_ADDRESS
@WEB_CONFIG
@LIFECYCLE
@LOG_FORMAT
@LOG_LEVEL
@input_errors()
def aggregate(
    monitors: tuple[Path, ...],
    urls: tuple[str, ...],
    names: tuple[str, ...],
    secure: bool,
    http_config: Path | None,
    state_dir: Path,
    once: bool,
    listen_address: tuple[str, int],
    web_config: Path | None,
    lifecycle: bool,
    log_format: logs.Format,
    log_level: str,
) -> None:
    """Exact gauges of a fleet: ask all exporters of a model, add up what they counted, serve it like one exporter.

    MONITOR files and references are those of the exporters. --once has exit code 1 where none of a model's answered.
    """
    if not urls and not names:
        refuse("expected --from or --discover: exporters to ask")
    if not once:
        block_signals()
    from exporter.daemon.daemon import Daemon
    from exporter.daemon.fleet_cycle import FleetCycle
    from exporter.state import StoreError
    from exporter.web.fleet import HTTPFleet
    from exporter.web.protection import Protection

    logs.configure(log_format, log_level)
    fleet = HTTPFleet(urls, names, http_config, secure=secure)
    build = partial(FleetCycle, fleet=fleet)
    if once:
        raise SystemExit(_once(monitors, state_dir, build))
    protection = Protection(web_config) if web_config else None
    try:
        daemon = Daemon(monitors, state_dir, build=build)
    except StoreError as error:
        refuse(str(error))
    server = served(listen_address, daemon, protection=protection, lifecycle=lifecycle)
    run_daemon(daemon, server, len(monitors))


def _once(monitors: tuple[Path, ...], state_dir: Path, build: Build) -> int:
    from exporter.commands.one_cycle import measured
    from exporter.daemon.models import load_all
    from exporter.daemon.recovery import RecoveringCycle
    from exporter.measure.exposition import render
    from exporter.measure.gauges import Gauges

    snapshots, code = [], 0
    for model in load_all(monitors):
        snapshot = measured(model.name, partial(RecoveringCycle, model, state_dir, build), None)
        if snapshot is not None:
            snapshots.append(snapshot)
            code = code if snapshot.series["ml_sink_up"][model.name, "predictions"] else WRONG
    process = Gauges("")
    process.set("ml_exporter_build_info", 1.0, version=VERSION, python_version=platform.python_version())
    click.echo(render(snapshots, process.series), nl=False)
    return code
