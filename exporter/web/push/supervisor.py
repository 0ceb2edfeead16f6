"""Receiver: keeps the process of the push endpoint going."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import msgspec

from exporter.daemon.models import PushedLog
from exporter.web.http_server import listening, shown
from exporter.web.push.process import READY, Configuration, Log, Message
from exporter.web.push.tokens import Tokens
from mlslo.monitor import OTLP_PATH

logger = logging.getLogger(__name__)

_BACKLOG = 512
_READY_WITHIN = 15.0
_ENDS_WITHIN = 6.0
_LOOKS_EVERY = 0.5
_LONGEST_PAUSE = 10.0


class Receiver:
    """The push endpoint at an address, which is bound once some model has a push sink.

    Its process has the listening socket from this one: a sender waits while it is restarted, and is not refused. It
    ends with this process, also where this one is killed.
    """

    def __init__(
        self,
        address: tuple[str, int],
        logs: Callable[[], Sequence[PushedLog]],
        *,
        token_file: Path | None = None,
        web_config: Path | None = None,
        secure: bool = False,
    ) -> None:
        """``logs``: what is to be received, asked again and again. ``secure``: whether ``web_config`` has certificates.

        Raises TokenError, and OSError where the address cannot be bound.
        """
        self._secure = secure
        self._address = address
        self._logs = logs
        self._token_file = token_file
        self._web_config = web_config
        if token_file is not None:
            Tokens(token_file)
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sent: list[PushedLog] = []
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="push receiver")
        if found := list(logs()):
            self._socket = listening(address, _BACKLOG)
            self._start(found)
            self._wait_until_ready()
        self._thread.start()

    @property
    def url(self) -> str | None:
        """Address that events are sent to; None where nothing is received."""
        if self._socket is None:
            return None
        return shown(self._socket.getsockname(), secure=self._secure)

    def stop(self) -> None:
        """Answer what has come, and end."""
        self._stopping.set()
        self._thread.join()
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(_ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _start(self, logs: list[PushedLog]) -> None:
        assert self._socket is not None
        self._ready.clear()
        # Not from the folder that this process happens to be in, and from where its own modules are.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "exporter.web.push.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self._socket.fileno()],
            env=environment,
        )
        assert self._process.stdout is not None
        threading.Thread(
            target=self._log, args=[self._process.stdout], daemon=True, name="push receiver log"
        ).start()
        self._send(logs)

    def _wait_until_ready(self) -> None:
        """Wait for the process, but not for one that has ended."""
        assert self._process is not None
        until = time.monotonic() + _READY_WITHIN
        while self._process.poll() is None and time.monotonic() < until:
            if self._ready.wait(_LOOKS_EVERY / 10):
                return

    def _send(self, logs: list[PushedLog]) -> None:
        """Say what is to be received. A process that has ended is started again with it."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._socket is not None
        configuration = Configuration(
            self._socket.fileno(),
            [Log(log.path, log.path + OTLP_PATH, str(log.inbox.absolute()), log.most_bytes) for log in logs],
            str(self._token_file.absolute()) if self._token_file else None,
            str(self._web_config.absolute()) if self._web_config else None,
        )
        self._sent = logs
        try:
            self._process.stdin.write(msgspec.json.encode(configuration) + b"\n")
            self._process.stdin.flush()
        except OSError:
            logger.debug("push receiver: gone", exc_info=True)

    def _watch(self) -> None:
        pause, said = 0.0, ""
        started = time.monotonic()
        while not self._stopping.wait(_LOOKS_EVERY):
            logs = list(self._logs())
            try:
                if self._process is None:
                    if logs:
                        self._socket = self._socket or listening(self._address, _BACKLOG)
                        self._start(logs)
                elif (code := self._process.poll()) is not None:
                    pause = 0.0 if time.monotonic() - started > 60 else min(_LONGEST_PAUSE, 2 * pause + 0.1)
                    logger.error("push receiver: ended with code %d; it is started again", code)
                    self._process.stdin.close() if self._process.stdin else None
                    if self._stopping.wait(pause):
                        return
                    started = time.monotonic()
                    self._start(logs)
                elif logs != self._sent:
                    self._send(logs)
                said = ""
            except OSError as error:
                if str(error) != said:
                    said = str(error)
                    host, port = self._address
                    logger.error("push receiver: %s:%d: %s", host, port, error.strerror or error)  # noqa: TRY400
                self._stopping.wait(_LONGEST_PAUSE)

    def _log(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                try:
                    message = msgspec.json.decode(line, type=Message)
                except ValueError:
                    continue
                if message.text == READY:
                    self._ready.set()
                else:
                    # Each text is a message of its own to the limit of those that repeat.
                    suppressed = {"suppressed": message.suppressed} if message.suppressed else {}
                    logger.log(message.level, message.text, extra={"fields": suppressed})
