"""A server of each kind, one after the other; its log is empty at the beginning of each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.sinks import SERVERS, SinkServer, UnavailableError, server_class
from tests.support.sinks.log import Log
from tests.support.sinks.reading import Reading

_QUICK = ("file", "push")


class Servers:
    """The server of one kind, and another one where it cannot begin a log anew."""

    def __init__(self, name: str, folder: Path) -> None:
        """Raises UnavailableError where it cannot be had."""
        self._class = server_class(name)
        self._folder = folder
        self._number = 0
        self._used = False
        self.current = self._started()

    def fresh(self) -> SinkServer:
        """Return the server, with an empty log."""
        if self._used:
            try:
                self.current.begin()
            except NotImplementedError:
                self.current.close()
                self.current = self._started()
        self._used = True
        return self.current

    def _started(self) -> SinkServer:
        self._number += 1
        folder = self._folder / f"server-{self._number}"
        folder.mkdir(parents=True)
        return self._class(folder)


class Clock:
    """The time by which the reader leaves a failed sink alone: an hour passes before each cycle."""

    def __init__(self) -> None:
        self.now = 1e6

    def monotonic(self) -> float:
        return self.now

    def pass_an_hour(self) -> None:
        self.now += 3600


def _params() -> Iterator[object]:
    """Yield the kinds; a server is started once, by the worker that has all tests of it."""
    for name in SERVERS:
        slow = [] if name in _QUICK else [pytest.mark.slow]
        yield pytest.param(name, marks=[pytest.mark.xdist_group(f"sink {name}"), *slow])


@pytest.fixture(scope="session", params=_params())
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    try:
        found = Servers(request.param, tmp_path_factory.mktemp(request.param))
    except UnavailableError as error:
        pytest.skip(str(error))
    yield found
    found.current.close()


@pytest.fixture
def server(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> SinkServer:
    found = servers.fresh()
    for name, value in found.environment().items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def log(server: SinkServer) -> Log:
    return Log(server)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("exporter.sinks.reader.time", found)
    return found


@pytest.fixture
def read(server: SinkServer, tmp_path: Path) -> Iterator[Callable[[], Reading]]:
    """Return what opens the sink over the test's one state file, as a process that starts does; the one before ends."""
    state = server.state(tmp_path)
    with ExitStack() as opened:

        def start() -> Reading:
            opened.close()
            return opened.enter_context(closing(Reading(server.sink(), tmp_path, state)))

        yield start
