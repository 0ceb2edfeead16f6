"""Prometheus and promtool in a temporary folder: nothing of them is left, however the command ends."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from mlslo.yamlfile import Duration, InputError, Problem

# Reads who lives, a line each time that changes. When the other end is gone, so are they and the folder.
_WATCH = """
live=
while read -r pids; do live=$pids; done
[ -z "$live" ] || kill -9 $live
for _ in 1 2 3 4 5 6 7 8 9; do rm -rf "$0" 2>/dev/null; [ -e "$0" ] || break; sleep 0.2; done
"""
# Go's parser of the flag knows no days; of the lengths that blocks have it is the longest below a month.
_LONGEST_BLOCK = "486h"
_START = 60.0


class ProgramError(Exception):
    """Prometheus or promtool did not do what was asked; one line."""


class Workshop:
    """A temporary folder, and the programs that work in it. ``tools``: where they are, instead of PATH.

    Raises InputError where they are not there.
    """

    def __init__(self, tools: Path | None) -> None:
        self._prometheus, self._promtool = _found("prometheus", tools), _found("promtool", tools)
        self._live: set[int] = set()

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="mlslo-backtest-"))
        self._watch = subprocess.Popen(
            ["sh", "-c", _WATCH, str(self.folder)], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._watch.stdin is not None
        with suppress(BrokenPipeError):
            self._watch.stdin.close()
        self._watch.wait()

    def start(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a program that ends with this one."""
        with log.open("ab") as said:
            # In a session of its own: Ctrl-C is for us, who end it in order.
            process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        self._live.add(process.pid)
        self._tell()
        return process

    def ended(self, process: subprocess.Popen[bytes]) -> None:
        """Forget a program that has ended: its number may become somebody else's."""
        self._live.discard(process.pid)
        self._tell()

    def _tell(self) -> None:
        assert self._watch.stdin is not None
        with suppress(BrokenPipeError):
            self._watch.stdin.write(" ".join(map(str, self._live)) + "\n")
            self._watch.stdin.flush()

    def serve(self, blocks: Path, interval: float, look_back: float) -> Prometheus:
        """Return a Prometheus over TSDB blocks. ``look_back``: seconds for which a sample is the value."""
        return Prometheus(self, self._prometheus, blocks, interval, look_back)

    def add_blocks(self, openmetrics: Path, blocks: Path) -> None:
        """Add the samples of an OpenMetrics file to a folder of TSDB blocks. Raises ProgramError."""
        log = self.folder / "promtool.log"
        log.unlink(missing_ok=True)
        command = [self._promtool, "tsdb", "create-blocks-from", "-q", "openmetrics"]
        command += [f"--max-block-duration={_LONGEST_BLOCK}", str(openmetrics), str(blocks)]
        process = self.start(command, log)
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            self.ended(process)
        if code:
            raise ProgramError(f"promtool cannot make blocks of {openmetrics.name}: {_last_line(log)}")


def _found(name: str, tools: Path | None) -> str:
    found = shutil.which(name, path=None if tools is None else str(tools))
    if found is None:
        where = f"in {tools}" if tools else "on PATH"
        message = f"not found {where}: Prometheus itself evaluates the rules; --tools FOLDER says where it is"
        raise InputError([Problem(name, 0, 0, message)])
    return found


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


class Query:
    """The HTTP API of a Prometheus. ``wait``: seconds that one answer may take; ``secret``: ``user:password``."""

    def __init__(self, url: str, wait: float = 300.0, prefix: str = "", secret: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._wait = wait
        self._prefix = prefix
        self._headers: dict[str, str] = {}
        if secret is not None:
            self._headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode("ascii")

    def range(self, expression: str, start: int, end: int, step: int) -> list[dict[str, Any]]:
        """Return the series of a range query; times in milliseconds, both ends included. Raises ProgramError."""
        times = {"start": start / 1000, "end": end / 1000, "step": step / 1000}
        answer = self._ask("query_range", {"query": expression, **times})
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def _ask(self, path: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        body = urllib.parse.urlencode(parameters).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", body, self._headers)
        try:
            with urllib.request.urlopen(request, timeout=self._wait) as answer:
                found: dict[str, Any] = json.load(answer)
                found["data"]["result"]
                return found
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(2000).decode(errors="replace")
            with suppress(ValueError, KeyError, TypeError):
                said = json.loads(said)["error"]
            if error.code == 401:
                said = "it wants a user and a password"
            raise ProgramError(f"{self._prefix}{error.code} {error.reason}: {said[:500]}") from None
        except urllib.error.URLError as error:
            raise ProgramError(f"{self._prefix}cannot be reached: {error.reason}") from None
        except TimeoutError:
            raise ProgramError(f"{self._prefix}no answer within {self._wait:g} s") from None
        except (ValueError, KeyError, TypeError):
            raise ProgramError(f"{self._prefix}this does not answer as a Prometheus does") from None
        except OSError as error:
            raise ProgramError(f"{self._prefix}cannot be reached: {error}") from None


class Prometheus(Query):
    """A Prometheus of our own on loopback; runs until the `with` block ends. It scrapes nothing."""

    def __init__(
        self, workshop: Workshop, program: str, blocks: Path, interval: float, look_back: float
    ) -> None:
        super().__init__("", prefix="Prometheus: ")
        self._workshop = workshop
        self._program = program
        self._blocks = blocks
        self._interval = interval
        self._look_back = look_back

    def __enter__(self) -> Self:
        folder = self._workshop.folder
        configuration, log = folder / "prometheus.yml", folder / "prometheus.log"
        # The interval is the default step of subqueries.
        interval = Duration.of_seconds(self._interval)
        configuration.write_text(f"global: {{evaluation_interval: {interval}}}\n")
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{listener.getsockname()[1]}"
        self.url = f"http://{address}"
        command = [
            self._program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self._blocks}",
            "--storage.tsdb.retention.time=100y",
            # Blocks are read as they are: to compact them would take longer than to read them.
            "--storage.tsdb.min-block-duration=2h",
            "--storage.tsdb.max-block-duration=2h",
            f"--web.listen-address={address}",
            f"--query.lookback-delta={Duration.of_seconds(self._look_back)}",
            "--query.max-samples=200000000",
            "--query.timeout=5m",
            "--log.level=error",
        ]
        self._process = self._workshop.start(command, log)
        deadline = time.monotonic() + _START
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise ProgramError(f"Prometheus does not start: {_last_line(log)}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._workshop.ended(self._process)

    def _is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False
        return True


Progress = Callable[[str, float], None]
