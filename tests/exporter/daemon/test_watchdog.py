"""A cycle that hangs is told, by the log and by the page that the kubelet asks; one that has much to do is not."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from exporter.daemon.watchdog import Watchdog
from exporter.sinks import Batch
from exporter.sinks.files import FileSink
from exporter.sinks.reader import SINKS
from exporter.state import Fault, StoreError
from tests.exporter.daemon.test_reloads import record, spec
from tests.support.daemons import running
from tests.support.logs import value, write_lines, write_monitor

HANGS = "self.pipe.read_bytes()"


class Hanging(FileSink):
    """A file sink that first reads a named pipe, to whose end nobody has come: a file system that is gone."""

    pipe: Path

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        self.pipe.read_bytes()
        yield from super().batches(final=final)


def test_a_cycle_that_hangs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Hanging.pipe = tmp_path / "pipe"
    os.mkfifo(Hanging.pipe)
    monkeypatch.setitem(SINKS, "file", Hanging)
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0)])
    path = write_monitor(tmp_path, spec(schedule="1h"))
    with running([path], tmp_path / "state", stuck_after=0.2) as daemon:
        # A busy machine may have been slow before it hangs.
        daemon.wait_for(lambda _: "in exporter.sinks.reader.batches" in daemon.get("/-/healthy")[1])
        code, reason = daemon.get("/-/healthy")
        assert code == 503
        assert reason.startswith("model m: its cycle has come no further for ")
        daemon.wait_for(lambda _: any(HANGS in line for line in caplog.messages))
        seconds = [
            value(gauges, "ml_monitor_cycle_running_seconds", model="m")
            for gauges in (daemon.gauges(), daemon.gauges())
        ]
        assert seconds[0] is not None
        assert seconds[1] is not None
        assert 0.2 < seconds[0] < seconds[1]
        assert daemon.get("/-/ready")[0] == 503
        Hanging.pipe.write_bytes(b"")
        gauges = daemon.wait_for(lambda gauges: value(gauges, "ml_predictions_total") == 1)
        daemon.wait_for(lambda _: daemon.get("/-/healthy") == (200, "Healthy.\n"))
        assert value(daemon.gauges(), "ml_monitor_cycle_running_seconds", model="m") == 0
        assert value(gauges, "ml_sink_up", sink="predictions") == 1
    # Once, with the whole stack, down to what hangs.
    (said,) = [line for line in caplog.messages if HANGS in line]
    assert "no model is measured until it goes on or the exporter is restarted, which loses nothing:" in said


class Slow(FileSink):
    """A file sink whose batches take long each, by the clock of the watchdog."""

    clock: ClassVar = [0.0]
    seen: ClassVar[list[str | None]] = []
    watchdog: Watchdog

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        for batch in super().batches(final=final):
            self.clock[0] += 599
            self.seen.append(self.watchdog.stuck())
            yield batch


def test_a_long_backlog_is_not_stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.daemon.watchdog.time", SimpleNamespace(monotonic=lambda: Slow.clock[0]))
    monkeypatch.setitem(SINKS, "file", Slow)
    for number in range(5):
        write_lines(tmp_path / f"logs/predictions{number}.jsonl", [record(number)])
    path = write_monitor(tmp_path, spec())
    watchdog = Slow.watchdog = Watchdog()
    with watchdog.watching("model m: its cycle", "m"):
        Slow.clock[0] += 601
        stuck = watchdog.stuck()
        assert stuck is not None
        assert "for 601 s" in stuck
    with running([path], tmp_path / "state") as daemon:
        Slow.watchdog = daemon.daemon._watchdog
        daemon.wait_for(lambda gauges: value(gauges, "ml_predictions_total") == 5)
    assert Slow.seen[:5] == [None] * 5


class Broken(FileSink):
    """A file sink with a bug, for one of two models."""

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        if "broken" in str(self._pattern):
            raise ZeroDivisionError
        yield from super().batches(final=final)


def test_a_bug_in_one_model_silences_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(SINKS, "file", Broken)
    paths = []
    for name in ("a-broken", "b-fine"):
        (tmp_path / name).mkdir()
        write_lines(tmp_path / name / "logs/predictions.jsonl", [record(0)])
        paths.append(write_monitor(tmp_path / name, {**spec(), "metadata": {"name": name}}))
    with running(paths, tmp_path / "state") as daemon:
        daemon.wait_for(lambda gauges: value(gauges, "ml_predictions_total", model="b-fine") == 1)
        write_lines(tmp_path / "b-fine/logs/predictions.jsonl", [record(1)])
        gauges = daemon.wait_for(lambda gauges: value(gauges, "ml_predictions_total", model="b-fine") == 2)
        assert value(gauges, "ml_predictions_total", model="a-broken") is None
        assert daemon.get("/-/healthy")[0] == 200
        assert daemon.get("/-/ready")[0] == 503
    # Once, however many cycles fail in the same way.
    assert caplog.messages.count("model a-broken: cycle failed") == 1


class Failing(FileSink):
    """A file sink in whose cycles the state fails as often as asked for."""

    left: ClassVar[list[StoreError]] = []

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        if self.left:
            raise self.left.pop(0)
        yield from super().batches(final=final)


def test_a_state_that_fails_in_mid_cycle_is_said_once_with_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = StoreError("m.sqlite: database or disk is full", Fault.FULL)
    monkeypatch.setattr(Failing, "left", [full, full, full, StoreError("m.sqlite: damaged", Fault.DAMAGED)])
    monkeypatch.setitem(SINKS, "file", Failing)
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0)])
    path = write_monitor(tmp_path, spec())
    with caplog.at_level(logging.INFO), running([path], tmp_path / "state") as daemon:
        daemon.wait_for(lambda gauges: value(gauges, "ml_predictions_total") == 1)
        daemon.wait_for(lambda _: "model m: measured again" in caplog.messages)
    paused, anew = [line for line in caplog.messages if line.endswith("its gauges keep their last values")]
    assert "disk is full; nothing is read until it can be written; its gauges" in paused
    assert "m.sqlite: damaged; set aside as m.sqlite.set-aside-" in anew


def test_a_look_at_the_files_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference lies on a file system, too."""
    os.mkfifo(tmp_path / "pipe")
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0)])
    path = write_monitor(tmp_path, spec())
    with running([path], tmp_path / "state", look_every=0.05, stuck_after=0.2) as daemon:
        daemon.wait_for(lambda gauges: value(gauges, "ml_predictions_total") == 1)
        hanging = [tmp_path / "pipe"]

        def look() -> list[Path]:
            while hanging:
                hanging.pop().read_bytes()
            return []

        monkeypatch.setattr(daemon.daemon._files, "changed", look)
        daemon.wait_for(
            lambda _: daemon.get("/-/healthy")[1].startswith("loading monitor files and references ")
        )
        (tmp_path / "pipe").write_bytes(b"")
        daemon.wait_for(lambda _: daemon.get("/-/healthy")[0] == 200)
