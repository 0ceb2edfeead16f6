"""`mlslo-exporter replay`: the folder that it writes, and what it leaves where it cannot."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from exporter.commands import replay as replay_command
from tests.support.commands import exporter
from tests.support.history import History, read_history
from tests.support.logs import EPOCH, Gauges, monitor, parse, record, write_lines, write_monitor
from tests.support.tools import tool

pytestmark = pytest.mark.slow

VOLATILE = {"ml_monitor_cycle_duration_seconds"}


def logged(folder: Path, hours: float = 2.0) -> Path:
    """A prediction every half minute, and its label ten minutes later."""
    number = int(hours * 120)
    write_lines(
        folder / "logs/predictions.jsonl", (record(i, at=30 * i, score=i % 100 / 100) for i in range(number))
    )
    labels = ({"id": f"r{i}", "label": i % 2, "ts": EPOCH + 30 * i + 600} for i in range(number))
    write_lines(folder / "logs/labels.jsonl", labels)
    return write_monitor(folder, monitor(windows=["30m"], features={"amount": {"type": "numeric"}}))


def test_a_step_of_the_folder_is_once_as_of_then(tmp_path: Path) -> None:
    path = logged(tmp_path)
    out = tmp_path / "history"
    done = exporter("replay", path, "--step", "20m", "--out", out)
    assert done.stdout == f"{out}: 8 steps from 2026-01-10T00:00:00Z to 2026-01-10T02:20:00Z\n"
    history = read_history(out)
    assert history.about == {
        "apiVersion": "mlslo/v1",
        "kind": "History",
        "models": ["m"],
        "from": "2026-01-10T00:00:00Z",
        "to": "2026-01-10T02:20:00Z",
        "step": "20m",
    }
    for at in ("2026-01-10T00:40:00Z", "2026-01-10T02:20:00Z"):
        assert_same_at(history, at, parse(exporter("once", path, "--as-of", at).stdout))


def test_a_step_is_once_over_the_logs_as_they_were(tmp_path: Path) -> None:
    path, at = logged(tmp_path), "2026-01-10T00:40:00Z"
    exporter("replay", path, "--step", "20m", "--out", tmp_path / "history")
    then = tmp_path / "then"
    for log in ("predictions", "labels"):
        lines = (tmp_path / f"logs/{log}.jsonl").read_text().splitlines()
        write_lines(
            then / f"logs/{log}.jsonl", [line for line in lines if json.loads(line)["ts"] <= EPOCH + 2400]
        )
    (then / "monitor.yaml").write_text(path.read_text())
    single = parse(exporter("once", then / "monitor.yaml", "--at", at).stdout)
    assert_same_at(read_history(tmp_path / "history"), at, single)


def assert_same_at(history: History, at: str, single: Gauges) -> None:
    """The samples of one time are those that were printed, to the last digits of sums."""
    seconds = datetime.fromisoformat(at).timestamp()
    for name in {*single, *history.series} - VOLATILE:
        expected = {tuple(sorted(labels.items())): number for labels, number in single.get(name, [])}
        found = {
            labels: times[seconds]
            for labels, times in history.series.get(name, {}).items()
            if seconds in times
        }
        assert found.keys() == expected.keys(), name
        if name != "ml_monitor_last_success_timestamp_seconds":
            assert all(math.isclose(found[labels], expected[labels], rel_tol=1e-9) for labels in found), name


def test_promtool_makes_blocks_of_every_sample(tmp_path: Path) -> None:
    promtool = tool("promtool")
    out = tmp_path / "history"
    exporter("replay", logged(tmp_path, hours=20), "--step", "1h", "--out", out, "--promtool", promtool)
    files = sorted(path.name for path in (out / "openmetrics").iterdir())
    # Stretches of 18 hours since 1970: a process each.
    assert files == ["20260110T000000Z.om", "20260110T180000Z.om"]
    assert len(list((out / "blocks").iterdir())) == len(files)
    # promtool asks for the log that a Prometheus would have.
    (out / "blocks" / "wal").mkdir()
    dumped = subprocess.run(
        [promtool, "tsdb", "dump", out / "blocks"], capture_output=True, text=True, check=True
    )
    history = read_history(out)
    written = sum(len(times) for series in history.series.values() for times in series.values())
    assert dumped.stdout.count("\n") == written
    assert sorted(
        float(line.split()[-2]) for line in dumped.stdout.splitlines() if "ml_predictions_total" in line
    ) == sorted(next(iter(history.series["ml_predictions_total"].values())).values())


def test_once_as_of_leaves_out_what_came_later(tmp_path: Path) -> None:
    path = logged(tmp_path)
    gauges = parse(exporter("once", path, "--as-of", "2026-01-10T00:30:00Z").stdout)
    assert gauges["ml_predictions_total"][0][1] == 61
    assert gauges["ml_sink_records_total"] == [
        ({"model": "m", "sink": "labels"}, 41.0),
        ({"model": "m", "sink": "predictions"}, 61.0),
    ]
    coverage = [value for labels, value in gauges["ml_label_coverage_ratio"] if not labels["segment"]]
    assert coverage == [pytest.approx(41 / 60)]
    refused = exporter(
        "once", path, "--as-of", "2026-01-10T00:30:00Z", "--at", "2026-01-10T00:30:00Z", check=False
    )
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--step", "5 min"], 2, "did you mean '5m'?"),
        (
            ["--from", "2026-01-10T01:00:00Z", "--to", "2026-01-10T00:00:00Z"],
            1,
            "no step between --from and --to",
        ),
        (["--promtool", "nowhere/promtool"], 2, "is no program"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    out = tmp_path / "history"
    done = exporter("replay", logged(tmp_path), "--out", out, *arguments, check=False)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not out.exists()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["logs", "monitor.yaml"]


def test_a_folder_that_is_no_history_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    done = exporter("replay", logged(tmp_path), "--out", out, check=False)
    assert done.returncode == 2
    assert done.stderr == f"{out}: holds something else than a history; expected an empty folder\n"
    assert [item.name for item in out.iterdir()] == ["thesis.tex"]


def test_an_empty_log_and_one_that_is_not_there(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, monitor(labels=None))
    done = exporter("replay", path, "--out", tmp_path / "history", check=False)
    assert done.returncode == 1
    assert "the predictions could not be read" in done.stderr
    write_lines(tmp_path / "logs/predictions.jsonl", [])
    done = exporter("replay", path, "--out", tmp_path / "history", check=False)
    assert (done.returncode, done.stderr) == (1, "the logs hold no prediction; nothing can be replayed\n")
    assert not (tmp_path / "history").exists()


def test_objects_without_since_are_said_to_begin_at_the_lookback(tmp_path: Path) -> None:
    predictions = monitor()["spec"]["predictions"]
    sink = {"objects": {"url": f"file://{tmp_path}/dt=%Y-%m-%d/"}}
    path = write_monitor(tmp_path, monitor(labels=None, predictions={**predictions, "sink": sink}))
    done = exporter("replay", path, "--out", tmp_path / "history", check=False)
    assert "predictions: objects of before 3d ago are left out; give since in its sink" in done.stderr


def test_a_history_is_replaced_whole_and_an_interrupt_leaves_the_old_one(tmp_path: Path) -> None:
    path = logged(tmp_path)
    out = tmp_path / "history"
    exporter("replay", path, "--step", "30m", "--out", out)
    before = (out / "history.json").read_bytes()
    command = [sys.executable, "-m", "exporter", "replay", str(path), "--step", "1s", "--out", str(out)]
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A shell lets what it runs in the background ignore interrupts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:
            deadline = time.monotonic() + 60
            while not list(tmp_path.glob(".history.*")) and time.monotonic() < deadline:
                time.sleep(0.02)
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        assert process.returncode not in (0, None)
        assert "Traceback" not in said
        assert (out / "history.json").read_bytes() == before
        assert not list(tmp_path.glob(".history.*"))
    exporter("replay", path, "--step", "1h", "--out", out)
    assert json.loads((out / "history.json").read_text())["step"] == "1h"
    assert not list(tmp_path.glob(".history.*"))


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    path, out = logged(tmp_path), tmp_path / "history"

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    command = [sys.executable, "-m", "exporter", "replay", str(path), "--step", "1m", "--out", str(out)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=small_files,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not out.exists()
    assert not list(tmp_path.glob(".history.*"))


def test_no_percentage_is_said_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(replay_command, "_SAY_AGAIN", 0.0)
    with replay_command._stage("reading") as progress:
        for done in range(1000):
            progress(done, 5000)
    assert capsys.readouterr().err.splitlines() == [f"reading: {share} %" for share in range(20)]
