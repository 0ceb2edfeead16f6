"""A daemon and its pages in this process, for tests that reach into it."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from exporter.daemon.daemon import Daemon
from exporter.web.server import Server
from tests.support.logs import Gauges, parse


class Running:
    """A daemon under test."""

    def __init__(self, daemon: Daemon, url: str) -> None:
        self.daemon = daemon
        self.url = url

    def get(self, path: str = "/metrics") -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def gauges(self) -> Gauges:
        return parse(self.get()[1])

    def wait_for(self, found: Callable[[Gauges], bool], seconds: float = 100) -> Gauges:
        deadline = time.monotonic() + seconds
        while not found(gauges := self.gauges()):
            assert time.monotonic() < deadline, f"never came: {self.get()[1]}"
            time.sleep(0.02)
        return gauges


@contextmanager
def running(
    monitors: Sequence[Path], state: Path, *, served: Mapping[str, Any] = MappingProxyType({}), **options: Any
) -> Iterator[Running]:
    """Run a daemon and its server; ``options`` of ``Daemon``, ``served``: of its server."""
    daemon = Daemon(monitors, state, **options)
    server = Server(("127.0.0.1", 0), daemon, **served)
    threads = [threading.Thread(target=run) for run in (daemon.run, server.serve_forever)]
    for thread in threads:
        thread.start()
    try:
        yield Running(daemon, server.url)
    finally:
        daemon.stop()
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()
