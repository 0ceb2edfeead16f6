"""Promises of every sink where something fails: nothing is lost, nothing counts twice, nothing hangs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from exporter.sinks import SinkError
from exporter.sinks.reader import open_sink
from tests.exporter.sinks.shared.conftest import Clock
from tests.support.sinks import SinkServer
from tests.support.sinks.kills import kill
from tests.support.sinks.log import Log, drain
from tests.support.sinks.reading import Reading, monitor_of

Start = Callable[[], Reading]

_KILLS = 2


@pytest.mark.slow
def test_a_reader_is_killed_at_random_moments(server: SinkServer, tmp_path: Path) -> None:
    log = kill(server, tmp_path, _KILLS)
    assert log.expected.total() > 20


def test_wrong_credentials_are_said_and_right_ones_go_on(
    log: Log, read: Start, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    log.append(20)
    reading = read()
    drain(reading, log)
    log.append(20)
    with _implemented():
        log.server.refuse()
    try:
        # A connection from before may be let in for a while; one that begins now is not.
        reading = read()
        _fails(reading, log.server, clock)
        assert caplog.messages
        assert not log.server.secret or log.server.secret not in caplog.text
    finally:
        log.server.accept()
    log.append(5)
    drain(reading, log, each=clock.pass_an_hour)


def test_a_server_that_is_gone_for_an_hour(log: Log, read: Start, clock: Clock, tmp_path: Path) -> None:
    """Each try ends within the sink's time-out; what was written before and afterwards is all read."""
    log.append(20)
    reading = read()
    drain(reading, log)
    log.append(20)
    with _implemented():
        log.server.stop()
    try:
        _fails(reading, log.server, clock)
        lag = reading.reader.lag()
        assert lag is None or lag >= 0
        clock.pass_an_hour()
        # Nor is there a way in for a process that starts now.
        reading = read()
        _fails(reading, log.server, clock)
        monitored = monitor_of(log.server.sink(), tmp_path / "check")
        sink = open_sink(monitored, monitored.spec.predictions.sink, {})
        began = time.monotonic()
        # A sink may also say it beside the sample, as one of files does that finds none.
        with suppress(SinkError):
            sample = sink.sample(3)
            assert sample.remark
            assert not sample.lines
        sink.close()
        assert time.monotonic() - began < 2 * log.server.patience
    finally:
        log.server.start()
    log.append(20)
    drain(reading, log, each=clock.pass_an_hour)
    assert reading.reader.up
    log.append(5)
    drain(read(), log)


def _fails(reading: Reading, server: SinkServer, clock: Clock) -> None:
    """Have a read fail, within the time-out, and twice."""
    for _ in range(2):
        clock.pass_an_hour()
        began = time.monotonic()
        reading.cycle()
        assert time.monotonic() - began < server.patience
        assert not reading.reader.up


@contextmanager
def _implemented() -> Iterator[None]:
    try:
        yield
    except NotImplementedError:
        pytest.skip("the log has no such thing")
