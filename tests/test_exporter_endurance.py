"""What a review found that a long life brings to the exporter: many files, signals, damage. Each was a defect once."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import initialize

from exporter.sinks import SinkError
from exporter.sinks import file as file_sink
from exporter.sinks.file import FileSink
from tests.logs import monitor, value, write_lines, write_monitor
from tests.test_exporter_daemon import daemon, record, total
from tests.test_sinks_file import Files, lines


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
TestFewHeld.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


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
        f"        if name == 'exporter.status_page': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Sender())\n"
        "from exporter.cli import main\n"
        "main()"
    )
    command = [sys.executable, "-c", program, "run", "monitor.yaml", "--state-dir", "state"]
    done = subprocess.run(
        [*command, "--web.listen-address", "127.0.0.1:0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "stopped" in done.stderr) == (0, True), done.stderr
