"""A sink that fails is tried less and less often, and each reason is said once."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import pytest

from exporter.sinks import Batch, Sample, SinkError, SinkReader
from exporter.sinks.reader import SINKS
from exporter.sinks.sink import LogSink
from exporter.state import Store
from mlslo.monitor import Monitor, load
from tests.support.logs import monitor, write_monitor


class Remote(LogSink):
    """A sink over a network that is down while ``reason`` is something."""

    reason: ClassVar[str] = ""
    tries: ClassVar[int] = 0

    @classmethod
    def open(cls, monitor: Monitor, settings: Any, positions: Mapping[str, str]) -> Self:  # noqa: ARG003
        return cls()

    def close(self) -> None: ...

    def batches(self, *, final: bool = False) -> Iterator[Batch]:  # noqa: ARG002
        type(self).tries += 1
        if self.reason:
            raise SinkError(self.reason)
        yield Batch(memoryview(b"{}\n"), 0, {})

    def lag(self) -> int:
        return 0

    def sample(self, number: int) -> Sample:  # noqa: ARG002
        return Sample(b"", "")


class Local(Remote):
    LONGEST_PAUSE = 0.0


class Cycles:
    """The reads of one sink, one each minute of a clock that the test moves."""

    def __init__(self, reader: SinkReader) -> None:
        self.reader = reader
        self.now = 1e6

    def read(self, cycles: int = 1, *, final: bool = False) -> list[float]:
        """Return the minutes in which it was tried."""
        tried, began = [], self.now
        for _ in range(cycles):
            before = Remote.tries + Local.tries
            for _ in self.reader.batches(final=final, stopped=lambda: False):
                pass
            if Remote.tries + Local.tries > before:
                tried.append((self.now - began) / 60)
            self.now += 60
        return tried


@pytest.fixture
def kind() -> type[LogSink]:
    return Remote


@pytest.fixture
def cycles(kind: type[LogSink], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cycles]:
    monkeypatch.setitem(SINKS, "file", kind)
    monkeypatch.setattr(kind, "reason", "connection refused")
    monitored = load(write_monitor(tmp_path, monitor(schedule="1m")))
    with closing(Store()) as store:
        found = Cycles(SinkReader("predictions", monitored, monitored.spec.predictions.sink, store))
        monkeypatch.setattr("exporter.sinks.reader.time", SimpleNamespace(monotonic=lambda: found.now))
        yield found


def test_it_is_tried_after_twice_the_time_each_up_to_ten_minutes(cycles: Cycles) -> None:
    tried = cycles.read(120)
    pauses = [after - before for before, after in itertools.pairwise(tried)]
    assert pauses[0] == 1
    # Between half the pause and all of it, up to the next minute.
    for number, pause in enumerate(pauses[1:], start=1):
        longest = min(2.0**number, 10)
        assert longest / 2 <= pause <= longest, pauses
    assert len(set(pauses[4:])) > 1
    assert not cycles.reader.up


def test_one_that_is_back_is_tried_each_cycle_again(
    cycles: Cycles, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    cycles.read(30)
    monkeypatch.setattr(Remote, "reason", "")
    assert len(cycles.read(20)) >= 10
    assert cycles.reader.up
    assert cycles.read(3) == [0, 1, 2]
    monkeypatch.setattr(Remote, "reason", "connection refused")
    assert cycles.read(2) == [0, 1]
    assert caplog.messages == [
        "model m: sink predictions: connection refused",
        "model m: sink predictions: readable again",
        "model m: sink predictions: connection refused",
    ]


def test_a_final_read_is_always_one(cycles: Cycles) -> None:
    cycles.read(20)
    assert cycles.read(3, final=True) == [0, 1, 2]


@pytest.mark.parametrize("kind", [Local])
def test_one_that_costs_nothing_is_tried_each_cycle(cycles: Cycles) -> None:
    assert cycles.read(30) == list(range(30))


@pytest.mark.parametrize("kind", [Local])
def test_each_reason_is_said_once_an_hour(
    cycles: Cycles, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for minute in range(90):
        monkeypatch.setattr(Local, "reason", ("connection refused", "no route to host")[minute % 2])
        cycles.read()
    said = [line.rsplit(": ", 1)[1] for line in caplog.messages]
    assert said == ["connection refused", "no route to host"] * 2


@pytest.mark.parametrize("kind", [Local])
def test_reasons_that_are_never_the_same_take_no_memory(
    cycles: Cycles, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        monkeypatch.setattr(Local, "reason", f"timed out after {number} s")
        cycles.read()
    assert len(cycles.reader._said) == 20
