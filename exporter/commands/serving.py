"""Options and the life of a daemon with a web server: what run and aggregate have in common."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import click

from exporter.daemon import logs
from mlslo.command_line import PATH, refuse
from mlslo.version import VERSION

if TYPE_CHECKING:
    from exporter.daemon.daemon import Daemon
    from exporter.web.server import Server

_TURN = 0.0005


def address(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, int]:
    """Return host and port of an option."""
    host, _, port = value.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise click.BadParameter(f"expected HOST:PORT or :PORT, got '{value}'", context, parameter)
    return host.removeprefix("[").removesuffix("]"), int(port)


LISTEN_ADDRESS = click.option(
    "--web.listen-address",
    "listen_address",
    metavar="HOST:PORT",
    callback=address,
    default=":9847",
    show_default=True,
    help="Where /metrics is served; port 0 takes any free one.",
)
WEB_CONFIG = click.option(
    "--web.config.file",
    "web_config",
    type=PATH,
    help="TLS, passwords, headers and a rate limit, as Prometheus' exporters have it; read again when it changes.",
)
LIFECYCLE = click.option("--web.enable-lifecycle", "lifecycle", is_flag=True, help="Allow POST /-/reload.")
LOG_FORMAT = click.option(
    "--log.format",
    "log_format",
    type=click.Choice(["logfmt", "json"]),
    default="logfmt",
    show_default=True,
    help="How lines on standard error are written.",
)
LOG_LEVEL = click.option(
    "--log.level",
    "log_level",
    type=click.Choice(list(logs.LEVELS)),
    default="info",
    show_default=True,
    help="The least severe lines that are written.",
)


def block_signals() -> None:
    """Let signals wait until they are delivered. Before imports that start threads, which inherit what is held."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))


def served(listen_address: tuple[str, int], daemon: Daemon, **options: Any) -> Server:
    """Return the server of a daemon's pages. Leaves with exit code 2 where its address cannot be bound."""
    from exporter.web.server import Server

    try:
        return Server(listen_address, daemon, **options)
    except OSError as error:
        refuse(f"--web.listen-address {listen_address[0]}:{listen_address[1]}: {error.strerror}")


def run_daemon(daemon: Daemon, server: Server, models: int, *, events: str | None = None) -> None:
    """Run a daemon and its server until a signal ends them. ``events``: where pushed ones are received."""
    from exporter.daemon.process import deliver_signals, keep_freed_memory

    keep_freed_memory()
    # A scrape takes a dozen turns beside a cycle, each of which waits for this at most.
    sys.setswitchinterval(_TURN)
    logger = logging.getLogger("exporter")
    ends = (signal.SIGTERM, signal.SIGINT)
    deliver_signals({**dict.fromkeys(ends, daemon.stop), signal.SIGHUP: daemon.request_reload}, until=ends)
    threading.Thread(target=server.serve_forever, daemon=True, name="web").start()
    fields = {"version": VERSION, "models": models, "url": f"{server.url}/metrics"}
    logger.info("started", extra={"fields": fields})
    if events:
        logger.info("events are received at %s", events)
    daemon.run()
    server.shutdown()
    server.server_close()
    logger.info("stopped")
