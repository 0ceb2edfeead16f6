"""What a review found that a long life brings to the exporter: many files, signals, damage. Each was a defect once."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import initialize

from exporter.daemon.models import load_all
from exporter.sinks import SinkError
from exporter.sinks.files import FileSink
from exporter.sinks.files import file as file_sink
from exporter.state import Fault, Store, StoreError
from exporter.state.set_aside import set_aside
from tests.endurance import Endurance
from tests.exporter.daemon.test_daemon import daemon, record, total
from tests.exporter.sinks.test_file import Files, lines
from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, once, value, write_lines, write_monitor
from tests.support.paths import ROOT
from tests.support.properties import examples

pytestmark = pytest.mark.slow


@contextmanager
def descriptors(limit: int) -> Iterator[None]:
    """As `ulimit -n` has it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def opened() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_more_files_than_descriptors_are_read(tmp_path: Path) -> None:
    files = [tmp_path / f"log-{number:04}.jsonl" for number in range(600)]
    for number, file in enumerate(files):
        file.write_text(f'{{"a": {number}}}\n')
    before = opened()
    with descriptors(before + 200), closing(FileSink(tmp_path / "*.jsonl", {})) as sink:
        assert lines(sink) == [f'{{"a": {number}}}'.encode() for number in range(600)]
        assert opened() < before + 70
        appended = [f'{{"b": {number}}}\n{{"b"' for number in range(600)]
        for file, text in zip(files, appended, strict=True):
            with file.open("a") as stream:
                stream.write(text)
        assert sink.lag() == sum(map(len, appended))
        assert sorted(lines(sink)) == sorted(f'{{"b": {number}}}'.encode() for number in range(600))
        assert sink.lag() == 600 * len('{"b"')
        assert lines(sink) == []


@pytest.mark.parametrize("leave", ["removed", "rotated out of the pattern"])
def test_the_last_lines_of_a_file_that_left_are_read_whatever_else_there_is(
    leave: str, tmp_path: Path
) -> None:
    for number in range(200):
        (tmp_path / f"old-{number:04}.jsonl").write_text(f'{{"a": {number}}}\n')
        os.utime(tmp_path / f"old-{number:04}.jsonl", (number, number))
    log = tmp_path / "log.jsonl"
    log.write_text('{"b": 0}\n')
    with closing(FileSink(tmp_path / "*.jsonl", {})) as sink:
        assert len(lines(sink)) == 201
        with log.open("a") as file:
            file.write('{"b": 1}\n')
            if leave == "removed":
                log.unlink()
            else:
                log.rename(tmp_path / "elsewhere")
            file.flush()
            assert lines(sink) == [b'{"b": 1}']
            file.write('{"b": 2}\n')
            file.flush()
            assert lines(sink) == ([] if leave == "removed" else [b'{"b": 2}'])


def test_no_descriptor_left_is_said_with_the_limit(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.jsonl").write_text(f'{{"a": {number}}}\n')
    with closing(FileSink(tmp_path / "*.jsonl", {})) as sink:
        with descriptors(256):
            taken = [os.dup(2) for _ in range(256 - opened() + 1)]
            for _ in ("none left", "one left"):
                with pytest.raises(SinkError) as caught:
                    lines(sink)
                assert str(caught.value).startswith("too many open files: this process may have 256 ")
                assert str(caught.value).count("too many") == 1
                os.close(taken.pop())
        for descriptor in taken:
            os.close(descriptor)
        # With the one that was left, one file was read.
        assert len(lines(sink)) == 4


def test_many_unreadable_files_are_a_short_message(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"{number:02}.jsonl").mkdir()
    with pytest.raises(SinkError) as caught:
        lines(FileSink(tmp_path / "*.jsonl", {}))
    assert str(caught.value).count("not a regular file") == 3
    assert str(caught.value).endswith("; and 47 more")


class FewHeld(Files):
    """The model test of the sink, where nearly every file is opened, read and closed."""

    @initialize()
    def hold_few(self) -> None:
        self.held = file_sink._MOST_HELD
        file_sink._MOST_HELD = 1

    def teardown(self) -> None:
        if hasattr(self, "held"):
            file_sink._MOST_HELD = self.held
        super().teardown()


TestFewHeld = FewHeld.TestCase
TestFewHeld.settings = settings(max_examples=examples(40), stateful_step_count=40, deadline=None)


@pytest.mark.slow
def test_kills_while_logs_rotate_and_labels_come(tmp_path: Path) -> None:
    """Counters, bins and joins equal a recount; ``python -m tests.endurance --kills 200`` kills more often."""
    endurance = Endurance(tmp_path, 0)
    for _ in range(3):
        endurance.kill()


def test_a_storm_of_reloads_is_weathered(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0)])
    write_monitor(tmp_path, monitor(labels=None))
    with daemon(tmp_path) as running:
        for _ in range(20_000):
            running.process.send_signal(signal.SIGHUP)
        running.wait_for(total(1))
        write_monitor(tmp_path, monitor(labels=None, windows=["3h"]))
        running.process.send_signal(signal.SIGHUP)
        running.wait_for(lambda gauges: value(gauges, "ml_monitor_samples", window="3h") == 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_starts_is_an_orderly_end(number: signal.Signals, tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0)])
    write_monitor(tmp_path, monitor(labels=None))
    # Sent by itself, at the first import that follows the holding of signals.
    program = (
        "import os, sys\n"
        "class Sender:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == 'exporter.web.model_pages': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Sender())\n"
        "from exporter.cli import main\n"
        "main()"
    )
    command = [sys.executable, "-c", program, "run", "monitor.yaml", "--state-dir", "state"]
    done = subprocess.run(
        [*command, "--web.listen-address", "127.0.0.1:0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "stopped" in done.stderr) == (0, True), done.stderr


def damage(state: Path, statement: str) -> None:
    with closing(sqlite3.connect(state)) as connection, connection:
        assert connection.execute(statement).rowcount > 0


def test_a_model_whose_cycles_fail_is_not_ready(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0)])
    write_monitor(tmp_path, monitor(labels=None))
    with daemon(tmp_path) as running:
        running.wait_for(total(1))
        assert running.get("/-/ready")[0] == 200
    state = tmp_path / "state/m.sqlite"
    damage(state, "UPDATE summaries SET vector = x'00010203'")
    content = state.read_bytes()
    for _ in range(10):
        # No more is set aside in a day.
        set_aside(state, StoreError("damaged", Fault.DAMAGED))
        state.write_bytes(content)
    with daemon(tmp_path) as running:
        assert running.process.stderr is not None
        assert "damaged (summary" in running.process.stderr.readline()
        assert running.get("/-/ready")[0] == 503
        assert running.get("/-/healthy")[0] == 200


def test_a_reference_with_an_endless_path_is_one_clear_message(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, monitor(references={"training": {"static": "x" * 5000}}))
    done = exporter("check", path, check=False)
    assert done.returncode == 2
    assert "monitor.yaml:" in done.stderr
    assert done.stderr.rstrip().endswith("cannot be read: File name too long")


def test_a_model_may_have_any_name(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [{"ts": EPOCH + 60, "id": "r0", "score": 0.5}])
    for letter in "ЖЩ":
        for last in "ab":
            content = {**monitor(labels=None), "metadata": {"name": letter * 127 + last}}
            once(write_monitor(tmp_path, content), "--state-dir", tmp_path / "state")
    assert len(list((tmp_path / "state").glob("*.sqlite"))) == 4


def test_a_state_directory_that_cannot_be_used_is_one_clear_message(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, monitor(labels=None))
    (tmp_path / "file").write_text("")
    for folder, reason in (
        ("file", "File exists"),
        ("file/below", "Not a directory"),
        ("x" * 300, "too long"),
    ):
        done = exporter("run", path, "--state-dir", tmp_path / folder, check=False)
        assert done.returncode == 2
        assert "cannot be opened or made: " in done.stderr
        assert reason in done.stderr


def test_a_clock_that_steps_back_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "logs/predictions.jsonl"
    path = write_monitor(tmp_path, monitor(labels=None, windows=["10m", "1h"]))
    (model,) = load_all([path])
    found = []
    with closing(model.open(tmp_path / "state")) as cycle:
        for number, minute in enumerate((120, 121, 60, 61, 120, 121)):
            now = EPOCH + minute * 60
            write_lines(log, [{"ts": now - 30, "id": f"r{number}", "score": 0.5}])
            clock = SimpleNamespace(time=lambda now=now: now, monotonic=time.monotonic)
            monkeypatch.setattr("exporter.daemon.cycle.time", clock)
            snapshot = cycle.run()
            assert snapshot is not None
            found.append(tuple(snapshot.series["ml_monitor_samples"].values()))
            totals = snapshot.series["ml_predictions_total"]
    assert found == [(1, 1), (2, 2), (1, 1), (2, 2), (2, 3), (4, 4)]
    assert totals == {("m", ""): 6}


def test_a_label_is_joined_without_going_through_all_that_waits() -> None:
    """By SQLite's own count of steps, which no busy machine disturbs."""
    with closing(Store()) as store:
        ids = np.arange(1, 50_001, dtype=np.int64)
        ones = np.ones(len(ids), dtype=np.intp)
        with store.transaction():
            store.pending.add(ids, ids, ids, 0 * ids, np.full(len(ids), 0.5), ones, None, 1)
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        store._connection.set_progress_handler(count, 100)
        with store.transaction():
            matches = store.pending.label(ids[:10], ones[:10], ids[:10], 1)
        assert len(matches.time) == 10
        assert steps * 100 < 5000
