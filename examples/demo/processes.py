"""The chain's programs as child processes, each with a log; all of them end with the demo."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

_READY_WITHIN = 60.0
_PATIENCE = 5.0
_TAIL = 15

# Whatever proxy the machine is told to use, the loopback is reached without it.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ChildError(Exception):
    """A program ended, or did not get ready; the text has the end of its log."""


def free_ports(count: int) -> list[int]:
    """Different loopback ports on which nobody listens."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in sockets]


def get_json(url: str, timeout: float = 2.0) -> Any:
    """The JSON at `url`. Raises OSError, or ValueError where it is none."""
    with DIRECT.open(url, timeout=timeout) as answer:
        return json.load(answer)


class Children:
    """Programs that run until the `with` block ends, which it does within seconds."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + _PATIENCE
        for process in self._running.values():
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def start(self, name: str, command: Sequence[str | Path]) -> None:
        """Start a program. A Ctrl-C at the terminal reaches the demo only, which ends its children itself."""
        self._logs.mkdir(parents=True, exist_ok=True)
        with self._log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def finish(self, name: str) -> None:
        """Wait for a program to end by itself. Raises ChildError where it failed."""
        try:
            status = self._running[name].wait(_READY_WITHIN)
        except subprocess.TimeoutExpired:
            raise ChildError(
                f"{name} has not ended after {_READY_WITHIN:.0f} s:\n{self._tail(name)}"
            ) from None
        if status != 0:
            raise ChildError(f"{name} failed with exit code {status}:\n{self._tail(name)}")
        del self._running[name]

    def wait_ready(self, name: str, url: str) -> None:
        """Until `url` answers 200. Raises ChildError where it doesn't within a minute."""

        def answers() -> bool:
            with DIRECT.open(url, timeout=2):
                return True

        self.wait_until(name, answers)

    def wait_until(self, name: str, ready: Callable[[], bool]) -> None:
        """Until `ready` is true of the program; an OSError is a no. Raises ChildError after a minute."""
        deadline = time.monotonic() + _READY_WITHIN
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(OSError):
                if ready():
                    return
            time.sleep(0.1)
        raise ChildError(f"{name} is not ready after {_READY_WITHIN:.0f} s:\n{self._tail(name)}")

    def check(self) -> None:
        """Raises ChildError where a program has ended."""
        for name, process in self._running.items():
            status = process.poll()
            if status is not None:
                how = f"was ended by signal {-status}" if status < 0 else f"ended with exit code {status}"
                raise ChildError(f"{name} {how}; the end of its log:\n{self._tail(name)}")

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _tail(self, name: str) -> str:
        lines = self._log(name).read_text(errors="replace").splitlines()[-_TAIL:]
        return "\n".join(f"  {line}" for line in lines) or "  (it said nothing)"
