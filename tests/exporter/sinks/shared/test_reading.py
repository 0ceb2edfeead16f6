"""Promises of every sink while nothing fails."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.parse.json_lines import LONGEST_RECORD
from exporter.sinks.reader import open_sink
from exporter.state import StoreError
from tests.exporter.sinks.shared.conftest import Clock
from tests.support.sinks.log import Log, drain
from tests.support.sinks.reading import FailedError, Reading, monitor_of

Start = Callable[[], Reading]

_LARGEST_BATCH = 33 << 20
_LONG = 200_000
_LARGE_LOG = 36 << 20


def test_an_empty_log_is_up_and_gives_nothing(read: Start) -> None:
    reading = read()
    assert [reading.cycle() for _ in range(3)] == [0, 0, 0]
    assert reading.reader.up
    assert reading.reader.lag() in (0, None)
    assert not reading.passed_over()


def test_each_record_is_read_once_in_whatever_process(log: Log, read: Start) -> None:
    """Repeat: a second read finds nothing, nor does another process that begins at the committed positions."""
    log.append(60)
    reading = read()
    drain(reading, log)
    assert reading.cycle() == 0
    if log.server.ordered:
        assert reading.order == log.order
    reading = read()
    assert [reading.cycle() for _ in range(3)] == [0, 0, 0]
    for number in (1, 30):
        log.append(number)
        drain(reading, log)
    drain(read(), log)


def test_a_record_that_is_there_twice(log: Log, read: Start) -> None:
    records = log.append(10)
    if not log.server.repeats:
        log.expected.update(log.order)
    log.server.append(records)
    drain(read(), log)


def test_late_records_are_read_between_new_ones_and_out_of_order(log: Log, read: Start) -> None:
    reading = read()
    log.append(40)
    drain(reading, log)
    for late in (True, False, True):
        log.append(15, late=late)
        log.append(3)
        drain(reading, log)
    log.append(10, late=True)
    drain(read(), log)


def test_a_record_that_is_too_long_is_counted_and_the_rest_is_read(log: Log, read: Start) -> None:
    if log.server.longest <= LONGEST_RECORD:
        pytest.skip(f"the log takes no record of more than {log.server.longest} bytes")
    log.append(3)
    log.server.append([json.dumps({"id": "long", "text": "x" * LONGEST_RECORD}).encode()])
    log.append(3)
    reading = read()
    drain(reading, log)
    assert reading.passed_over() == {"too_long": 1}


@pytest.mark.slow
def test_many_megabytes_come_in_bounded_batches_and_a_stop_between_two_loses_nothing(
    log: Log, read: Start
) -> None:
    if log.server.most < _LARGE_LOG:
        pytest.skip(f"the log keeps {log.server.most} bytes")
    size = min(_LONG, log.server.longest - 1000)
    for _ in range(8):
        log.append(_LARGE_LOG // 8 // size, text="x" * size)
    reading = read()
    _until_something(lambda: reading.cycle(stopped=lambda: True))
    assert 0 < reading.counted().total() < log.expected.total()
    drain(reading, log)
    assert max(reading.sizes) <= _LARGEST_BATCH


def test_a_transaction_that_fails_is_read_again(log: Log, read: Start) -> None:
    """Neither what the sink noted for itself nor what it told its server counts, but the committed positions."""
    log.append(20)
    reading = read()
    drain(reading, log)
    log.append(20)
    with pytest.raises(FailedError):
        _until_something(lambda: reading.cycle(fails=lambda: True))
    assert reading.counted().total() == 20
    reading.reader.reset()
    log.append(5)
    drain(reading, log)


def test_positions_of_another_kind_are_refused(log: Log, read: Start) -> None:
    """Begun from nowhere, each record would count twice."""
    log.append(5)
    reading = read()
    drain(reading, log)
    committed = reading.positions()
    assert committed
    with reading.store.transaction():
        reading.store.positions.save("predictions", dict.fromkeys(committed, "{"))
    with pytest.raises(StoreError, match="damaged"):
        read()


def test_a_sample_shows_the_first_records_and_takes_none(log: Log, read: Start, tmp_path: Path) -> None:
    log.append(8)
    monitored = monitor_of(log.server.sink(), tmp_path / "check")
    sink = open_sink(monitored, monitored.spec.predictions.sink, {})
    try:
        sample = sink.sample(3)
    finally:
        sink.close()
    assert sample.source
    lines = sample.lines.splitlines(keepends=True)
    if log.server.name != "push":
        shown = [json.loads(line)["id"] for line in lines]
        assert len(shown) == len(set(shown)) == 3
        assert shown == log.order[:3] if log.server.ordered else set(shown) <= set(log.order)
        assert all(line.endswith(b"\n") for line in lines)
    drain(read(), log)


def test_lag_is_of_what_is_not_read(log: Log, read: Start) -> None:
    log.append(30)
    reading = read()
    drain(reading, log)
    assert reading.reader.lag() in (0, None)
    assert reading.reader.lag_unit in ("bytes", "records")
    log.append(30)
    for _ in range(50):
        before = reading.reader.lag()
        assert before is None or before >= 0
        if before is None or before:
            break
        time.sleep(0.05)
    else:
        pytest.fail("30 records are not read, and the lag is 0")
    drain(reading, log)


def test_what_is_closed_holds_nothing(log: Log, read: Start, clock: Clock) -> None:
    """Descriptors and threads are those of before, after the first time (libraries keep pools)."""
    log.append(5)
    drain(read(), log)
    read().close()
    held = _settled()
    for _ in range(2):
        log.append(5)
        reading = read()
        drain(reading, log, each=clock.pass_an_hour)
        reading.close()
    until = time.monotonic() + 100
    while (now := _settled()) > held and time.monotonic() < until:
        time.sleep(0.1)
    assert now <= held, threading.enumerate()


def _until_something(cycle: Callable[[], int]) -> None:
    """Read until a cycle has found records."""
    for _ in range(100):
        if cycle():
            return
        time.sleep(0.05)
    pytest.fail("nothing was read")


def _settled() -> tuple[int, int]:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))
