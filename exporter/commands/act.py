"""mlslo-exporter act."""

from __future__ import annotations

import fcntl
import logging
import signal
import threading
import time
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
from click.core import ParameterSource

from exporter.commands.serving import LOG_LEVEL, WEB_CONFIG, address, block_signals
from exporter.daemon import logs
from mlslo.command_line import PATH, input_errors, refuse
from mlslo.version import VERSION

if TYPE_CHECKING:
    from exporter.web.protection import Protection
    from mlslo.actions import Actions

_LAST_CALL = 25.0


@click.command()
@click.argument("file", metavar="ACTIONS", type=PATH)
@click.option(
    "--web.listen-address",
    "listen_address",
    metavar="HOST:PORT",
    callback=address,
    default=":9849",
    show_default=True,
    help="Where Alertmanager sends alerts; this machine only, where nothing protects it.",
)
@WEB_CONFIG
@click.option(
    "--state-dir",
    type=PATH,
    default=Path("mlslo-actions"),
    show_default=True,
    help="The record of all decisions, actions.sqlite; of one process.",
)
@LOG_LEVEL
@input_errors()
def act(
    file: Path,
    listen_address: tuple[str, int],
    web_config: Path | None,
    state_dir: Path,
    log_level: str,
) -> None:
    """Act on alerts: receive them from Alertmanager, call what ACTIONS says, once, and record every decision.

    Decisions are JSON lines on standard error. SIGTERM and SIGINT finish the call under way and leave.
    """
    block_signals()
    from exporter.act.callbacks import Callbacks
    from exporter.act.engine import Engine
    from exporter.act.outcomes import Counters
    from exporter.act.record import Record, StoreError
    from exporter.act.server import ActServer, is_protected
    from exporter.act.silences import Silences
    from exporter.daemon.process import deliver_signals
    from exporter.web.protection import Protection
    from exporter.web.push.tokens import TokenError, Tokens
    from mlslo.actions import load

    logs.configure("json", log_level)
    actions = load(file)
    protection = Protection(web_config) if web_config else None
    _check_people(actions, protection)
    try:
        tokens = Tokens(file.parent / actions.spec.tokenFile) if actions.spec.tokenFile else None
    except TokenError as error:
        raise actions.document.error(("spec", "tokenFile"), str(error)) from None
    if not is_protected(tokens, protection):
        listen_address = _on_this_machine(listen_address)
    try:
        record = Record(state_dir)
        lock = _locked(state_dir)
        counters = Counters(record, [action.name for action in actions.spec.actions], time.time())
        callbacks = Callbacks(actions, record, counters)
        server = ActServer(
            listen_address, engine := Engine(actions, record), callbacks, counters, tokens, protection
        )
    except StoreError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"--web.listen-address {listen_address[0]}:{listen_address[1]}: {error.strerror}")
    stopping = threading.Event()
    ends = (signal.SIGTERM, signal.SIGINT)
    deliver_signals({**dict.fromkeys(ends, stopping.set), signal.SIGHUP: lambda: None}, until=ends)
    threading.Thread(target=server.serve_forever, daemon=True, name="web").start()
    if (settings := actions.spec.alertmanager) is not None:
        silences = Silences(settings, file.parent, record, counters)
        threading.Thread(target=silences.run, args=[stopping], daemon=True, name="silences").start()
    fields = {"version": VERSION, "actions": len(actions.spec.actions), "url": f"{server.url}/alerts"}
    logging.getLogger("exporter").info("started", extra={"fields": fields})
    stopping.wait()
    server.shutdown()
    engine.stop()
    server.worker.join(_LAST_CALL)
    server.server_close()
    record.close()
    lock.close()


def _check_people(actions: Actions, protection: Protection | None) -> None:
    """Raise InputError where an approval names nobody who could give it."""
    from mlslo.yamlfile import did_you_mean

    config = protection.current() if protection is not None else None
    known = config.passwords.users if config is not None and config.passwords is not None else []
    for index, action in enumerate(actions.spec.actions):
        for number, name in enumerate(action.approval.by if action.approval is not None else ()):
            if name not in known:
                at = ("spec", "actions", index, "approval", "by", number)
                expected = "expected one of basic_auth_users in --web.config.file"
                message = f"nobody can log in as '{name}', {expected}{did_you_mean(name, known)}"
                raise actions.document.error(at, message)


def _on_this_machine(listen_address: tuple[str, int]) -> tuple[str, int]:
    """Return an address of this machine alone. Leaves with exit code 2 where another one was asked for."""
    host, port = listen_address
    source = click.get_current_context().get_parameter_source("listen_address")
    if source is not ParameterSource.COMMANDLINE:
        return "127.0.0.1", port
    try:
        local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        message = f"--web.listen-address {host}:{port}: anybody could make it act; expected spec.tokenFile in ACTIONS"
        refuse(f"{message}, --web.config.file with basic_auth_users, or 127.0.0.1:{port}")
    return host, port


def _locked(state_dir: Path) -> TextIO:
    """Return the lock of a folder, which ends with the process. Leaves with exit code 2 where another one has it."""
    lock = (state_dir / "actions.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        refuse(f"{state_dir}: in use by another process; give each a --state-dir of its own")
    return lock
