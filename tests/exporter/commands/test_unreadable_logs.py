"""A log that cannot be read is one clear message or a counted account, for `check`, `once` and `run`."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.exporter.daemon.test_daemon import daemon
from tests.support.commands import exporter
from tests.support.logs import monitor, parse, record, value, write_lines, write_monitor
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

LOG = "predictions.jsonl"
DEEP = b"[" * 100_000


class Case(NamedTuple):
    """A thing in the place of a log; how `check` ends, and what it says; whether the sink is up all the same."""

    put: Callable[[Path], object]
    code: int
    said: str
    up: float = 0.0


CASES = {
    "a folder": Case(Path.mkdir, 2, "not a regular file"),
    "a pipe": Case(os.mkfifo, 2, "not a regular file"),
    "a dangling link": Case(lambda path: path.symlink_to("gone"), 2, "No such file or directory"),
    "a link to itself": Case(lambda path: path.symlink_to(path), 2, "Too many levels of symbolic links"),
    "random bytes": Case(
        lambda path: path.write_bytes(bytes(range(256)) * 4),
        1,
        "0 of the first 4 records usable (4 malformed)",
        1.0,
    ),
    "random bytes without a line": Case(
        lambda path: path.write_bytes(bytes(range(128, 256)) * 4),
        2,
        r"no whole line, and no UTF-8 text: it begins with b'\x80\x81",
        1.0,
    ),
    "compressed": Case(
        lambda path: path.write_bytes(gzip.compress(b'{"ts": 1}\n', mtime=0)),
        1,
        r"no line looked at is a JSON object; the first is no UTF-8 text, at b'\x1f\x8b",
        1.0,
    ),
    "zeros": Case(
        lambda path: path.write_bytes(bytes(5000) + b"\n"), 1, "no line looked at is a JSON object", 1.0
    ),
    "UTF-16": Case(
        lambda path: path.write_bytes('{"ts": 1}\n'.encode("utf-16")),
        1,
        r"no line looked at is a JSON object; the first is no UTF-8 text, at b'\xff\xfe{\x00",
        1.0,
    ),
    "Latin-1": Case(
        lambda path: path.write_bytes('{"ts": 1, "id": "é"}\n'.encode("latin-1")),
        1,
        r"""the first is no UTF-8 text, at b' "id": "\xe9"}'""",
        1.0,
    ),
    "another format": Case(
        lambda path: path.write_text("ts,score\n1,0.5\n"),
        1,
        'no line looked at is a JSON object; the first is "ts,score"',
        1.0,
    ),
    "endless nesting": Case(lambda path: path.write_bytes(DEEP + b"\n"), 1, "(1 malformed)", 1.0),
    "endless nesting without its newline": Case(
        lambda path: path.write_bytes(DEEP), 0, "no records yet", 1.0
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_check_says_what_cannot_be_read(case: Case, tmp_path: Path) -> None:
    path = prepared(tmp_path, case)
    done = exporter("check", path, check=False)
    assert done.returncode == case.code
    assert case.said in (done.stderr if case.code == 2 else done.stdout)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_check_and_once_account_for_labels_that_cannot_be_read(case: Case, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    case.put(tmp_path / "logs/labels.jsonl")
    write_lines(tmp_path / "logs" / LOG, [record(0, at=0)])
    path = write_monitor(tmp_path)
    done = exporter("check", path, check=False)
    assert done.returncode == case.code
    assert "1 of the first 1 records usable" in done.stdout
    assert case.said in (done.stderr if case.code == 2 else done.stdout)
    gauges = parse(exporter("once", path).stdout)
    assert value(gauges, "ml_sink_up", sink="labels") == case.up
    assert value(gauges, "ml_predictions_total") == 1


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_once_exports_a_sink_that_is_down(case: Case, tmp_path: Path) -> None:
    done = exporter("once", prepared(tmp_path, case), check=False)
    assert done.returncode == (0 if case.up else 1)
    assert value(parse(done.stdout), "ml_sink_up", sink="predictions") == case.up
    assert "Traceback" not in done.stderr
    if not case.up:
        assert f"model m: sink predictions: {tmp_path / 'logs' / LOG}: {case.said}" in done.stderr


@pytest.mark.xdist_group("programs that wait")
def test_run_goes_on_and_reads_what_becomes_readable(tmp_path: Path) -> None:
    """Every unreadable thing at once, beside a log that can be read."""
    (tmp_path / "logs").mkdir()
    for number, case in enumerate(CASES.values()):
        case.put(tmp_path / f"logs/predictions-{number}.jsonl")
    write_lines(tmp_path / "logs/predictions-z.jsonl", [record(0, at=0)])
    write_monitor(tmp_path, monitor(labels=None))
    with daemon(tmp_path) as running:
        gauges = running.wait_for(lambda gauges: value(gauges, "ml_predictions_total") == 1)
        assert value(gauges, "ml_sink_up", sink="predictions") == 0
        for number, case in enumerate(CASES.values()):
            if not case.up:
                broken = tmp_path / f"logs/predictions-{number}.jsonl"
                broken.rmdir() if broken.is_dir() else broken.unlink()
        write_lines(tmp_path / "logs/predictions-z.jsonl", [record(1, at=1)])
        gauges = running.wait_for(lambda gauges: value(gauges, "ml_predictions_total") == 2)
        assert value(gauges, "ml_sink_up", sink="predictions") == 1


@pytest.mark.parametrize("denied", ["logs/predictions.jsonl", "logs"])
def test_a_log_without_permission(denied: str, tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0, at=0)])
    path = write_monitor(tmp_path, monitor(labels=None))
    (tmp_path / denied).chmod(0)
    message = f"model m: sink predictions: {tmp_path / denied}: Permission denied\n"
    checked, measured = without_privileges("check", path), without_privileges("once", path)
    (tmp_path / denied).chmod(0o700)
    assert (checked.returncode, checked.stderr) == (2, message)
    assert (measured.returncode, measured.stderr) == (1, message)
    assert value(parse(measured.stdout), "ml_sink_up", sink="predictions") == 0


def test_a_log_whose_disk_fails(tmp_path: Path) -> None:
    """The memory of the process is a file that can be opened, and not read from its beginning."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / LOG).symlink_to("/proc/self/mem")
    done = exporter("check", write_monitor(tmp_path, monitor(labels=None)), check=False)
    assert done.returncode == 2
    assert done.stderr == f"model m: sink predictions: {tmp_path / 'logs' / LOG}: Input/output error\n"


def test_a_readable_log_beside_one_that_is_not(tmp_path: Path) -> None:
    (tmp_path / "logs/predictions-0.jsonl").mkdir(parents=True)
    write_lines(tmp_path / "logs/predictions-1.jsonl", [record(0, at=0)])
    done = exporter("check", write_monitor(tmp_path, monitor(labels=None)))
    assert f"  warning: {tmp_path}/logs/predictions-0.jsonl: not a regular file" in done.stdout


def prepared(folder: Path, case: Case) -> Path:
    """The monitor file of a model whose prediction log is that of ``case``."""
    (folder / "logs").mkdir()
    case.put(folder / "logs" / LOG)
    return write_monitor(folder, monitor(labels=None))


def without_privileges(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command that permissions bind; those of root do not."""
    bound: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may read everything, and setpriv is not installed")
        bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    command = [*bound, sys.executable, "-m", "exporter", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
