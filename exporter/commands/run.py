"""mlslo-exporter run."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from exporter.commands import MONITORS
from exporter.commands.serving import (
    LIFECYCLE,
    LISTEN_ADDRESS,
    LOG_FORMAT,
    LOG_LEVEL,
    WEB_CONFIG,
    address,
    block_signals,
    run_daemon,
    served,
)
from exporter.daemon import logs
from mlslo.command_line import PATH, input_errors, refuse
from mlslo.yamlfile import Duration


def _url(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    from exporter.web.delivery import is_url

    if not is_url(value):
        message = "expected an http or https URL of ASCII letters, without a password or a fragment"
        raise click.BadParameter(message, context, parameter)
    if parameter.name == "push_gateway" and "?" in value:
        raise click.BadParameter("expected a URL without a query: a path is added to it", context, parameter)
    return value


def _duration(context: click.Context, parameter: click.Parameter, value: str) -> Duration:
    try:
        return Duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


@click.command()
@MONITORS
@LISTEN_ADDRESS
@WEB_CONFIG
@LIFECYCLE
@LOG_FORMAT
@LOG_LEVEL
@click.option(
    "--push.listen-address",
    "push_address",
    metavar="HOST:PORT",
    callback=address,
    default=":9848",
    show_default=True,
    help="Where events of push sinks are sent; bound only where a MONITOR has one.",
)
@click.option(
    "--push.token-file",
    "push_tokens",
    type=PATH,
    help="Bearer tokens that senders of events need, one a line; re-read when it changes (default: anybody may send).",
)
@click.option(
    "--web.enable-summaries",
    "summaries",
    is_flag=True,
    help="Serve what is counted at /summaries/MODEL: for mlslo-exporter aggregate.",
)
@click.option(
    "--state-dir",
    type=PATH,
    default=Path("mlslo-state"),
    show_default=True,
    help="Positions, summaries and predictions that wait for labels; one file per model.",
)
@click.option(
    "--once-then-exit",
    "batch",
    is_flag=True,
    help="Run one cycle of every model, deliver its gauges, and exit: for a CronJob. No page is served.",
)
@click.option(
    "--push-gateway.url",
    "push_gateway",
    metavar="URL",
    callback=_url,
    help="With --once-then-exit: the Pushgateway to put the gauges of each model on.",
)
@click.option(
    "--remote-write.url",
    "remote_write",
    metavar="URL",
    callback=_url,
    help="With --once-then-exit: where to write gauges by Prometheus remote write (…/api/v1/write).",
)
@click.option(
    "--delivery.job",
    "job",
    metavar="NAME",
    default="mlslo",
    show_default=True,
    help="The label `job` of what is delivered.",
)
@click.option(
    "--delivery.http.config.file",
    "http_config",
    type=PATH,
    help="basic_auth, authorization and tls_config of deliveries, as Prometheus has it; secrets by file only.",
)
@click.option(
    "--delivery.timeout",
    "timeout",
    metavar="DURATION",
    callback=_duration,
    default="1m",
    show_default=True,
    help="Give up the deliveries after this time, retries included.",
)
@input_errors()
def run(
    monitors: tuple[Path, ...],
    listen_address: tuple[str, int],
    web_config: Path | None,
    push_address: tuple[str, int],
    push_tokens: Path | None,
    lifecycle: bool,
    summaries: bool,
    state_dir: Path,
    log_format: logs.Format,
    log_level: str,
    batch: bool,
    **delivery: Any,
) -> None:
    """Watch models: one cycle each per schedule, gauges on /metrics.

    MONITOR files and references that change are loaded by themselves, on SIGHUP at once. SIGTERM and SIGINT finish the
    transaction under way and leave.
    """
    if not batch:
        _refuse_given(delivery, "needs --once-then-exit: a daemon is scraped")
    block_signals()
    if batch:
        logs.configure(log_format, log_level)
        sys.exit(_batch(monitors, state_dir, **delivery))
    from exporter.daemon.daemon import Daemon
    from exporter.state import StoreError
    from exporter.web.protection import Protection
    from exporter.web.push.supervisor import Receiver
    from exporter.web.push.tokens import TokenError

    logs.configure(log_format, log_level)
    protection = Protection(web_config) if web_config else None
    try:
        daemon = Daemon(monitors, state_dir)
    except StoreError as error:
        refuse(str(error))
    server = served(listen_address, daemon, protection=protection, lifecycle=lifecycle, summaries=summaries)
    try:
        receiver = Receiver(
            push_address,
            daemon.pushed_logs,
            token_file=push_tokens,
            web_config=web_config,
            secure=protection is not None and protection.current().tls is not None,
        )
    except TokenError as error:
        refuse(f"--push.token-file {error}")
    except OSError as error:
        refuse(f"--push.listen-address {push_address[0]}:{push_address[1]}: {error.strerror}")
    run_daemon(daemon, server, len(monitors), events=receiver.url)
    receiver.stop()


def _refuse_given(names: Iterable[str], reason: str) -> None:
    """Refuse an option that stands on the command line."""
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        if given and parameter.name in names:
            refuse(f"{parameter.opts[0]} {reason}")


def _batch(
    monitors: tuple[Path, ...],
    state_dir: Path,
    *,
    push_gateway: str | None,
    remote_write: str | None,
    job: str,
    http_config: Path | None,
    timeout: Duration,
) -> int:
    from exporter.commands.batch import run_once
    from exporter.daemon.process import deliver_signals, keep_freed_memory
    from exporter.web.delivery import Target, sender
    from exporter.web.pushgateway import Pushgateway
    from exporter.web.remote_write import RemoteWrite

    keep_freed_memory()
    stopping = threading.Event()
    ends = (signal.SIGTERM, signal.SIGINT)
    deliver_signals(dict.fromkeys(ends, stopping.set), until=ends)
    targets: list[Target] = []
    for url, kind in ((push_gateway, Pushgateway), (remote_write, RemoteWrite)):
        if url is not None:
            targets.append(kind(sender(http_config, timeout.seconds, stopping), url, job))
    return run_once(monitors, state_dir, targets, stopping.is_set)
