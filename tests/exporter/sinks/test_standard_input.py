"""Records on standard input: `once` to its end, `run` beside it, `check` without waiting for all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.sinks import SinkError
from exporter.sinks.files import standard_input
from exporter.sinks.files.standard_input import Pipe, StandardInput
from tests.exporter.daemon.test_daemon import Running, total
from tests.support.commands import exporter, served
from tests.support.logs import monitor, parse, record, value, write_lines, write_monitor
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow


def of_standard_input(**settings: Any) -> dict[str, Any]:
    made = monitor()
    made["spec"]["predictions"]["sink"]["file"] = {"path": "-", **settings}
    return made


def text(count: int, first: int = 0) -> str:
    return "".join(json.dumps(record(number, at=number)) + "\n" for number in range(first, first + count))


def command(*arguments: object, given: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-W", "error", "-m", "exporter", *map(str, arguments)]
    return subprocess.run(
        line, cwd=ROOT, input=given, capture_output=True, text=True, timeout=60, check=False
    )


def test_once_reads_to_the_end_and_joins_labels_of_a_file(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": f"r{number}", "label": 0} for number in range(50)])
    done = command(
        "once", write_monitor(tmp_path, of_standard_input()), "--at", "2026-01-10T01:00:00Z", given=text(99)
    )
    assert done.returncode == 0, done.stderr
    gauges = parse(done.stdout)
    assert value(gauges, "ml_predictions_total") == 99
    assert value(gauges, "ml_label_coverage_ratio", window="1h") == pytest.approx(50 / 99)
    assert value(gauges, "ml_sink_up", sink="predictions") == 1
    assert value(gauges, "ml_sink_lag_bytes", sink="predictions") == 0


def test_once_reads_rows(tmp_path: Path) -> None:
    made = of_standard_input(format="csv")
    made["spec"].pop("labels")
    made["spec"]["predictions"]["fields"] = {"timestamp": "ts", "score": "score"}
    done = command(
        "once", write_monitor(tmp_path, made), given="ts;score\n1768003200;0,5\n1768003201;0,75\n1;2;3\n"
    )
    assert value(parse(done.stdout), "ml_predictions_total") == 2
    assert (
        value(parse(done.stdout), "ml_sink_rejected_records_total", sink="predictions", reason="malformed")
        == 1
    )


def test_check_reads_the_first_records_and_no_more(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r1", "label": 0}])
    path = write_monitor(tmp_path, of_standard_input())
    done = command("check", path, given=text(2000))
    assert "1000 of the first 1000 records usable" in done.stdout
    assert done.returncode == 0
    line = [sys.executable, "-m", "exporter", "check", str(path)]
    # A pipe that nobody closes, and a label whose prediction is not among those that have come.
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r9", "label": 0}])
    with subprocess.Popen(
        line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text(1001))
        process.stdin.flush()
        assert "1000 of the first 1000 records usable" in process.stdout.read()
        assert process.wait(30) == 0


def test_check_of_nothing(tmp_path: Path) -> None:
    done = command("check", write_monitor(tmp_path, of_standard_input()), given="")
    assert "predictions: standard input: it ended without a record" in done.stdout
    assert "Traceback" not in done.stderr


def test_check_of_a_closed_standard_input(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, of_standard_input())
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m exporter check {path} <&-"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "model m: sink predictions: standard input: " in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def daemon(folder: Path) -> Iterator[tuple[Running, subprocess.Popen[str]]]:
    line = [sys.executable, "-W", "error", "-m", "exporter", "run", "monitor.yaml"]
    options = ["--web.listen-address", "127.0.0.1:0", "--state-dir", "state"]
    process = subprocess.Popen(
        [*line, *options], cwd=folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        while "/metrics" not in (said := process.stderr.readline()):
            assert said
        yield Running(process, served(said)), process
    finally:
        process.terminate()
        assert process.stderr is not None
        rest = process.stderr.read()
        process.stderr.close()
        if process.stdin is not None:
            process.stdin.close()
        assert process.wait(60) == 0, rest
        assert "Traceback" not in rest, rest


@pytest.mark.xdist_group("programs that wait")
def test_run_reads_what_comes_and_says_when_it_ends(tmp_path: Path) -> None:
    write_monitor(tmp_path, of_standard_input())
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r1", "label": 0}])
    with daemon(tmp_path) as (running, process):
        assert process.stdin is not None
        for number in range(1, 4):
            process.stdin.write(text(10, number * 10))
            process.stdin.flush()
            gauges = running.wait_for(total(10 * number))
            assert value(gauges, "ml_sink_up", sink="predictions") == 1
        process.stdin.write(text(1, 99)[:-1])
        process.stdin.close()
        # The last line lacks its newline only.
        running.wait_for(lambda gauges: value(gauges, "ml_sink_up", sink="predictions") == 0)
        assert total(31)(running.gauges())


def test_what_was_not_committed_is_read_again() -> None:
    read, write = os.pipe()
    pipe = Pipe(read)
    os.write(write, b"a;b\n1;2\n")
    os.close(write)
    for _ in range(2):
        batch = next(StandardInput(pipe, "csv").batches(final=True))
        assert batch.lines.tobytes() == b'{"a": 1, "b": 2}\n'
    assert len(list(StandardInput(pipe, "csv").batches(final=True))) == 1
    assert list(StandardInput(pipe, "csv").batches(final=True)) == []
    with pytest.raises(SinkError, match="standard input has ended"):
        list(StandardInput(pipe, "csv").batches())
    os.close(read)


def test_the_writer_waits_only_where_the_buffer_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard_input, "_MOST", 1 << 20)
    read, write = os.pipe()
    pipe = Pipe(read)
    sink = StandardInput(pipe)
    line = b'{"a": "' + b"x" * 991 + b'"}\n'
    written = 0

    def fill() -> None:
        nonlocal written
        for _ in range(4000):
            os.write(write, line)
            written += 1
        os.close(write)

    writer = threading.Thread(target=fill)
    writer.start()
    until = time.monotonic() + 100
    while len(pipe) < 1 << 20:
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(0.1)
    assert 1000 < written < 2000
    assert len(pipe) < 3 << 19
    assert sink.lag() == len(pipe)
    found = sum(batch.lines.tobytes().count(b"\n") for batch in sink.batches(final=True))
    writer.join()
    assert found == 4000
    os.close(read)


MISTAKES = {
    "two logs": (
        {"labels": {"sink": {"file": {"path": "-"}}, "fields": {"id": "id", "label": "label"}}},
        "standard input is read by 'predictions' already; expected a file",
    ),
    "a first reference": (
        {"references": {"beginning": {"first": "1h"}}},
        "'first' reads the predictions apart, and standard input comes only once; expected a file",
    ),
}


@pytest.mark.parametrize(("spec", "said"), MISTAKES.values(), ids=MISTAKES)
def test_what_standard_input_cannot_do(spec: dict[str, Any], said: str, tmp_path: Path) -> None:
    made = of_standard_input()
    made["spec"] |= spec
    done = exporter("check", write_monitor(tmp_path, made), check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "monitor.yaml:" in done.stderr


def test_parquet_needs_a_file(tmp_path: Path) -> None:
    done = exporter("check", write_monitor(tmp_path, of_standard_input(format="parquet")), check=False)
    assert done.returncode == 2
    assert "Parquet cannot be read on standard input, expected one of csv, jsonl" in done.stderr


def test_two_models_cannot_share_it(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        made = of_standard_input()
        made["metadata"]["name"] = name
        (tmp_path / name).mkdir()
        paths.append(write_monitor(tmp_path / name, made))
    done = exporter("once", *paths, check=False)
    assert done.returncode == 2
    assert f"{paths[1]}:" in done.stderr
    assert "standard input is read by model 'a' already; expected a file" in done.stderr
