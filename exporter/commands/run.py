"""mlslo-exporter run."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path

import click

from exporter.commands import MONITORS
from mlslo.command_line import PATH, input_errors, refuse
from mlslo.version import VERSION


def _address(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise click.BadParameter(f"expected HOST:PORT or :PORT, got '{value}'", context, parameter)
    return host.removeprefix("[").removesuffix("]"), int(port)


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
    "--web.config.file", "web_config", type=PATH, help="TLS and basic authentication, as Prometheus has it."
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
@input_errors()
def run(
    monitors: tuple[Path, ...],
    listen_address: tuple[str, int],
    web_config: Path | None,
    push_address: tuple[str, int],
    push_tokens: Path | None,
    lifecycle: bool,
    state_dir: Path,
) -> None:
    """Watch models: one cycle each per schedule, gauges on /metrics.

    SIGHUP reloads the MONITOR files. SIGTERM and SIGINT finish the transaction under way and leave.
    """
    from exporter.daemon.process import deliver_signals, keep_freed_memory

    # They wait until they are delivered. Before the imports: some start threads, which inherit what is held.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    from exporter.daemon.daemon import Daemon
    from exporter.state import StoreError
    from exporter.web import config as web_configuration
    from exporter.web.push.supervisor import Receiver
    from exporter.web.push.tokens import TokenError
    from exporter.web.server import Server

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    keep_freed_memory()
    logger = logging.getLogger("exporter")
    config = web_configuration.load(web_config) if web_config else None
    try:
        daemon = Daemon(monitors, state_dir)
    except StoreError as error:
        refuse(str(error))
    try:
        server = Server(listen_address, daemon, config=config, lifecycle=lifecycle)
    except OSError as error:
        refuse(f"--web.listen-address {listen_address[0]}:{listen_address[1]}: {error.strerror}")
    try:
        receiver = Receiver(
            push_address,
            daemon.pushed_logs,
            token_file=push_tokens,
            web_config=web_config,
            secure=config is not None and config.tls is not None,
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
    logger.info("mlslo-exporter %s: %d model(s), %s/metrics", VERSION, len(monitors), server.url)
    if receiver.url:
        logger.info("events are received at %s", receiver.url)
    daemon.run()
    receiver.stop()
    server.shutdown()
    server.server_close()
    logger.info("stopped")
