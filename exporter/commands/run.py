"""mlslo-exporter run."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from exporter.commands import MONITORS
from exporter.daemon import logs
from mlslo.command_line import PATH, input_errors, refuse
from mlslo.version import VERSION
from mlslo.yamlfile import Duration

_TURN = 0.0005


def _address(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise click.BadParameter(f"expected HOST:PORT or :PORT, got '{value}'", context, parameter)
    return host.removeprefix("[").removesuffix("]"), int(port)


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
@click.option(
    "--web.listen-address",
    "listen_address",
    metavar="HOST:PORT",
    callback=_address,
    default=":9847",
    show_default=True,
    help="Where /metrics is served; port 0 takes any free one.",
)
@click.option(
    "--web.config.file",
    "web_config",
    type=PATH,
    help="TLS, passwords, headers and a rate limit, as Prometheus' exporters have it; read again when it changes.",
)
@click.option(
    "--push.listen-address",
    "push_address",
    metavar="HOST:PORT",
    callback=_address,
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
@click.option("--web.enable-lifecycle", "lifecycle", is_flag=True, help="Allow POST /-/reload.")
@click.option(
    "--state-dir",
    type=PATH,
    default=Path("mlslo-state"),
    show_default=True,
    help="Positions, summaries and predictions that wait for labels; one file per model.",
)
@click.option(
    "--log.format",
    "log_format",
    type=click.Choice(["logfmt", "json"]),
    default="logfmt",
    show_default=True,
    help="How lines on standard error are written.",
)
@click.option(
    "--log.level",
    "log_level",
    type=click.Choice(list(logs.LEVELS)),
    default="info",
    show_default=True,
    help="The least severe lines that are written.",
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
    from exporter.daemon.process import deliver_signals, keep_freed_memory

    # They wait until they are delivered. Before the imports: some start threads, which inherit what is held.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    if batch:
        logs.configure(log_format, log_level)
        sys.exit(_batch(monitors, state_dir, **delivery))
    from exporter.daemon.daemon import Daemon
    from exporter.state import StoreError
    from exporter.web.protection import Protection
    from exporter.web.push.supervisor import Receiver
    from exporter.web.push.tokens import TokenError
    from exporter.web.server import Server

    logs.configure(log_format, log_level)
    keep_freed_memory()
    # A scrape takes a dozen turns beside a cycle, each of which waits for this at most.
    sys.setswitchinterval(_TURN)
    logger = logging.getLogger("exporter")
    protection = Protection(web_config) if web_config else None
    try:
        daemon = Daemon(monitors, state_dir)
    except StoreError as error:
        refuse(str(error))
    try:
        server = Server(listen_address, daemon, protection=protection, lifecycle=lifecycle)
    except OSError as error:
        refuse(f"--web.listen-address {listen_address[0]}:{listen_address[1]}: {error.strerror}")
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
    deliver_signals(
        {
            signal.SIGTERM: daemon.stop,
            signal.SIGINT: daemon.stop,
            signal.SIGHUP: daemon.request_reload,
        },
        until=(signal.SIGTERM, signal.SIGINT),
    )
    threading.Thread(target=server.serve_forever, daemon=True, name="web").start()
    fields = {"version": VERSION, "models": len(monitors), "url": f"{server.url}/metrics"}
    logger.info("started", extra={"fields": fields})
    if receiver.url:
        logger.info("events are received at %s", receiver.url)
    daemon.run()
    receiver.stop()
    server.shutdown()
    server.server_close()
    logger.info("stopped")


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
