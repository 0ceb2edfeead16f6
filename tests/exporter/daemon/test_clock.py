"""A clock that is set, back or forward, wrong or right: nothing is lost, counted twice or dropped before its time."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.daemon.clock import TRUSTED_AFTER, TrustedClock
from exporter.daemon.cycle import Cycle
from exporter.daemon.models import load_all
from exporter.measure.exposition import Series
from tests.support.logs import EPOCH, monitor, write_lines, write_monitor
from tests.support.properties import examples

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


class Exporter:
    """The cycles of one model, under clocks that the test moves. ``wall`` and ``monotonic`` in seconds."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **spec: Any) -> None:
        (self._model,) = load_all([write_monitor(folder, monitor(windows=["10m", "1h"], **spec))])
        self._folder = folder
        self.wall, self.monotonic = EPOCH, 1000.0
        clock = SimpleNamespace(time=lambda: self.wall, monotonic=lambda: self.monotonic)
        monkeypatch.setattr("exporter.daemon.cycle.time", clock)
        self._cycle: Cycle = self._model.open(folder / "state")

    def close(self) -> None:
        self._cycle.close()

    def restart(self) -> None:
        self._cycle.close()
        self._cycle = self._model.open(self._folder / "state")

    def runs(self, seconds: float) -> None:
        """Let time go by."""
        self.wall += seconds
        self.monotonic += seconds

    def predicts(self, *ids: str, at: float | None = None) -> None:
        time = self.wall if at is None else at
        write_lines(
            self._folder / "logs/predictions.jsonl", ({"ts": time, "id": name, "score": 0.5} for name in ids)
        )

    def labels(self, *ids: str) -> None:
        write_lines(
            self._folder / "logs/labels.jsonl", ({"ts": self.wall, "id": name, "label": 1} for name in ids)
        )

    def cycle(self) -> Series:
        """Run one a second later: windows end before now."""
        self.runs(1)
        snapshot = self._cycle.run()
        assert snapshot is not None
        return snapshot.series


@contextmanager
def exporting(folder: Path, monkeypatch: pytest.MonkeyPatch, **spec: Any) -> Iterator[Exporter]:
    exporter = Exporter(folder, monkeypatch, **spec)
    try:
        yield exporter
    finally:
        exporter.close()


def only(series: Series, name: str, *labels: str) -> float:
    (found,) = [value for known, value in series[name].items() if all(label in known for label in labels)]
    return found


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_jumps_ahead_and_back_drops_nothing(
    restarted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with exporting(tmp_path, monkeypatch) as exporter:
        exporter.predicts("a", "b")
        exporter.labels("early")
        exporter.cycle()
        exporter.runs(MINUTE)
        exporter.wall += 60 * DAY
        if restarted:
            exporter.restart()
        series = exporter.cycle()
        assert only(series, "ml_predictions_pending") == 2
        exporter.runs(20 * MINUTE)
        # Of another clock than that of the exporter, and late by it.
        exporter.predicts("c", at=exporter.wall - 60 * DAY)
        assert only(exporter.cycle(), "ml_predictions_pending") == 3
        exporter.wall -= 60 * DAY
        exporter.runs(MINUTE)
        exporter.predicts("early")
        exporter.labels("a", "b", "c")
        series = exporter.cycle()
        assert only(series, "ml_monitor_samples", "1h") == 4
        assert only(series, "ml_monitor_samples", "10m") == 2
        assert only(series, "ml_label_coverage_ratio", "1h") == 1
        assert only(series, "ml_labels_unmatched_total") == 1
    set_forward = [line for line in caplog.messages if "forward by 60 days" in line]
    assert len(set_forward) == (0 if restarted else 1)


def test_a_clock_that_was_set_right_is_trusted_after_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with exporting(tmp_path, monkeypatch) as exporter:
        exporter.predicts("a")
        exporter.cycle()
        exporter.wall += 60 * DAY
        pending = []
        for _ in range(4):
            exporter.runs(20 * MINUTE)
            pending.append(only(exporter.cycle(), "ml_predictions_pending"))
        assert pending == [1, 1, 1, 0]


@pytest.mark.parametrize("restarted", [False, True])
def test_records_from_before_a_step_back_are_not_of_the_future(
    restarted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with exporting(tmp_path, monkeypatch) as exporter:
        exporter.predicts("a")
        exporter.cycle()
        exporter.runs(30)
        exporter.predicts("b")
        exporter.labels("a")
        if restarted:
            exporter.restart()
        exporter.wall -= 5 * HOUR
        exporter.predicts("c")
        series = exporter.cycle()
        assert only(series, "ml_predictions_total") == 3
        for sink in ("predictions", "labels"):
            assert only(series, "ml_sink_rejected_records_total", sink, "future_timestamp") == 0
        # Windows end at the clock that there is; the others come when it has caught up.
        assert only(series, "ml_monitor_samples", "1h") == 1
        exporter.runs(5 * HOUR)
        assert only(exporter.cycle(), "ml_monitor_samples", "1h") == 2
    assert [line for line in caplog.messages if "the clock was set back by " in line]


def test_a_future_is_one_again_when_the_clock_that_was_set_back_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with exporting(tmp_path, monkeypatch) as exporter:
        exporter.cycle()
        exporter.wall -= 5 * HOUR
        exporter.cycle()
        exporter.runs(TRUSTED_AFTER)
        exporter.cycle()
        exporter.predicts("a", at=exporter.wall + 2 * HOUR)
        series = exporter.cycle()
        assert only(series, "ml_sink_rejected_records_total", "predictions", "future_timestamp") == 1


def test_the_newest_event_is_one_of_a_right_clock_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a log that falls silent would look fresh for 30 days."""
    with exporting(tmp_path, monkeypatch, features={"x": {"type": "numeric"}}) as exporter:
        exporter.cycle()
        exporter.wall += 30 * DAY
        exporter.predicts("a")
        exporter.cycle()
        exporter.wall -= 30 * DAY
        exporter.runs(MINUTE)
        exporter.predicts("b")
        series = exporter.cycle()
        assert only(series, "ml_sink_last_event_timestamp_seconds", "predictions") == exporter.wall - 1


def test_a_first_time_does_not_end_by_a_jump_of_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = {"launch": {"first": "1h"}}
    with exporting(tmp_path, monkeypatch, references=references, labels=None) as exporter:
        exporter.predicts(*(f"a{number}" for number in range(10)))
        exporter.cycle()
        exporter.wall += 30 * DAY
        exporter.runs(MINUTE)
        exporter.cycle()
        exporter.wall -= 30 * DAY
        exporter.predicts(*(f"b{number}" for number in range(10)))
        assert "ml_reference_info" not in exporter.cycle()
        exporter.runs(2 * HOUR)
        assert len(exporter.cycle()["ml_reference_info"]) == 1


def test_a_request_waits_for_its_response_through_a_jump_of_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions = {
        "sink": {"file": {"path": "logs/predictions*.jsonl"}},
        "join": {"id": "call", "request": {"kind": "in"}, "response": {"kind": "out"}, "within": "10m"},
        "fields": {"timestamp": "request.ts", "score": "response.score"},
    }
    log = tmp_path / "logs/predictions.jsonl"
    with exporting(tmp_path, monkeypatch, predictions=predictions, labels=None) as exporter:
        write_lines(log, [json.dumps({"kind": "in", "call": "1", "ts": exporter.wall})])
        exporter.cycle()
        exporter.wall += HOUR
        exporter.runs(MINUTE)
        assert not exporter.cycle()["ml_prediction_errors_total"]
        exporter.wall -= HOUR
        write_lines(log, [json.dumps({"kind": "out", "call": "1", "score": 0.5})])
        series = exporter.cycle()
        assert only(series, "ml_predictions_total") == 1
        assert not series["ml_prediction_errors_total"]


def test_times_that_are_whole_hours_off_are_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By `check` they were fine: the writer came to log local time while the daemon ran."""
    with exporting(tmp_path, monkeypatch, labels=None) as exporter:
        # Files have the times of the system.
        exporter.wall = time.time()
        exporter.predicts("a")
        exporter.cycle()
        assert not [line for line in caplog.messages if "the clock" in line]
        for number in range(3):
            exporter.runs(HOUR)
            exporter.wall = time.time()
            exporter.predicts(f"b{number}", at=exporter.wall + 2 * HOUR)
            exporter.cycle()
        exporter.runs(HOUR)
        exporter.wall = time.time()
        exporter.predicts("c", at=exporter.wall + 3 * HOUR)
        exporter.cycle()
    said = [line.partition(": the newest")[0] for line in caplog.messages if "timestamps are" in line]
    assert said == [f"model m: predictions: timestamps are {hours} h ahead of the clock" for hours in (2, 3)]


wrong_stretches = st.lists(
    st.tuples(
        st.integers(min_value=1, max_value=50),
        st.lists(
            st.tuples(
                st.integers(min_value=1, max_value=59), st.integers(min_value=-(10**9), max_value=10**9)
            ),
            max_size=1,
        ),
    ),
    max_size=8,
)


@settings(max_examples=examples(100))
@given(wrong_stretches)
def test_what_is_trusted_is_the_right_time(stretches: list[tuple[int, list[tuple[int, int]]]]) -> None:
    """Whatever a clock shows for less than an hour, and then the right time again."""
    clock, true = TrustedClock("m", None), EPOCH
    for right, wrong in stretches:
        offsets = [0] * right + [offset for minutes, offset in wrong for _ in range(minutes)] + [0]
        for offset in offsets:
            true += MINUTE
            assert clock.read(int((true + offset) * 1e6), true - EPOCH) == pytest.approx(true * 1e6, abs=1e7)
