"""What an attack on the exporter found: full disks, bugs, hostile files. Each was a defect once."""

from __future__ import annotations

import re
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.daemon.models import load_all
from exporter.fold.schema import Schema
from exporter.state import Store, StoreError
from tests.exporter.daemon.test_daemon import daemon, record, total
from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, once, parse, value, write_lines, write_monitor

pytestmark = pytest.mark.slow

AT = EPOCH + 1800


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """As a full disk has it: no file grows beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_counts_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with closing(Store(path)) as store:

        def take() -> None:
            with store.transaction():
                store.positions.save("predictions", {str(number): "x" * 1000 for number in range(200)})
                store.counters.add("ml_predictions_total", ("v1",), 10)

        full = max(file.stat().st_size for file in tmp_path.iterdir()) + 8192
        for _ in range(3):
            with pytest.raises(StoreError), no_file_beyond(full):
                take()
            assert store.counters.totals("ml_predictions_total") == {}
        take()
        assert store.counters.totals("ml_predictions_total") == {("v1",): 10}
    with closing(Store(path)) as store:
        assert store.counters.totals("ml_predictions_total") == {("v1",): 10}


def test_what_a_bug_interrupts_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [{"ts": EPOCH + 60, "id": "r0", "score": 0.5}])
    write_lines(tmp_path / "logs/labels.jsonl", [])
    (model,) = load_all([write_monitor(tmp_path)])
    with closing(model.open(None)) as cycle:
        with monkeypatch.context() as broken:
            broken.setattr(Schema, "fold_traffic", None)
            with pytest.raises(TypeError):
                cycle.run(at=AT)
        snapshot = cycle.run(at=AT)
    assert snapshot is not None
    assert snapshot.series["ml_predictions_total"] == {("m", ""): 1}


def test_versions_that_come_and_go_for_years(tmp_path: Path) -> None:
    """A version's number grows with each new one; its product with a time must fit into 64 bits."""
    path = write_monitor(tmp_path)
    write_lines(tmp_path / "logs/labels.jsonl", [])
    log = tmp_path / "logs/predictions.jsonl"
    write_lines(log, [{"ts": EPOCH + 60, "id": "r0", "score": 0.5, "version": "a"}])
    once(path, "--state-dir", tmp_path / "state")
    with closing(sqlite3.connect(tmp_path / "state/m.sqlite")) as state, state:
        state.execute("INSERT INTO versions VALUES (6000, 'z', ?1, ?1)", (int((EPOCH + 60) * 1e6),))
    write_lines(log, [{"ts": EPOCH + 61, "id": "r1", "score": 0.5, "version": "b"}])
    gauges = once(path, "--state-dir", tmp_path / "state")
    assert value(gauges, "ml_monitor_samples", version="b") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "members",
    [
        pytest.param(lambda number: {f"f{member}": number + member for member in range(250)}, id="many"),
        pytest.param(lambda number: {f"f{number % 250}": number, "common": 1}, id="seldom"),
    ],
)
def test_a_baseline_has_every_member_of_wide_and_sparse_objects(
    members: Callable[[int], dict[str, int]], tmp_path: Path
) -> None:
    data = write_lines(tmp_path / "train.jsonl", [{"features": members(number)} for number in range(500)])
    said = exporter("baseline", write_monitor(tmp_path), "--data", data, "--out", tmp_path / "r.json").stdout
    assert f"{len({name for number in range(500) for name in members(number)})} features of 500 rows" in said


def test_a_folder_whose_name_looks_like_a_glob(tmp_path: Path) -> None:
    folder = tmp_path / "[prod] *?"
    write_lines(folder / "logs/predictions.jsonl", [{"ts": EPOCH + 60, "id": "r0", "score": 0.5}])
    write_lines(folder / "logs/labels.jsonl", [])
    path = write_monitor(folder)
    assert value(once(path), "ml_predictions_total") == 1
    assert "1 of the first 1 records usable" in exporter("check", path, check=False).stdout


def test_a_folder_among_the_logs_is_passed_over_by_check(tmp_path: Path) -> None:
    (tmp_path / "logs/predictions-0.jsonl").mkdir(parents=True)
    write_lines(tmp_path / "logs/predictions-1.jsonl", [{"ts": EPOCH + 60, "id": "r0", "score": 0.5}])
    done = exporter("check", write_monitor(tmp_path), check=False)
    assert "1 of the first 1 records usable" in done.stdout
    assert "warning: " + str(tmp_path / "logs/predictions-0.jsonl: not a regular file") in done.stdout


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "a: " + "{b: " * 100_000, "- " * 50_000], ids=["lists", "mappings", "items"]
)
def test_a_bottomless_monitor_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(text)
    done = exporter("check", path, check=False)
    assert done.returncode == 2
    # Newer versions of PyYAML have a limit of their own.
    assert re.search("nested deeper than 60 levels|exceeded maximum nesting depth", done.stderr)
    assert done.stderr.startswith(f"{path}:1:")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"rows": ' + "9" * 400 + "}"])
def test_a_monstrous_reference_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "reference.json").write_text(text)
    path = write_monitor(tmp_path, monitor(references={"training": {"static": "reference.json"}}))
    done = exporter("check", path, check=False)
    assert done.returncode == 2
    assert "reference.json: not a reference file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reload_that_fails_half_way_leaves_the_old_model_watched(tmp_path: Path) -> None:
    def named(name: str, **spec: Any) -> None:
        write_monitor(tmp_path, {**monitor(**spec), "metadata": {"name": name}})

    write_lines(tmp_path / "logs/predictions.jsonl", [record(0)])
    write_lines(tmp_path / "logs/labels.jsonl", [])
    named("old")
    with daemon(tmp_path, "--web.enable-lifecycle") as running:
        running.wait_for(total(1))
        with closing(sqlite3.connect(tmp_path / "state/new.sqlite", isolation_level=None)) as taken:
            taken.execute("PRAGMA locking_mode = EXCLUSIVE")
            taken.execute("BEGIN EXCLUSIVE")
            named("new")
            code, text = running.post("/-/reload")
            assert (code, "in use by another process" in text) == (500, True)
            before = value(running.gauges(), "ml_monitor_last_success_timestamp_seconds", model="old")
            assert before is not None
            running.wait_for(
                lambda gauges: (
                    (value(gauges, "ml_monitor_last_success_timestamp_seconds", model="old") or 0) > before
                )
            )
        assert running.post("/-/reload")[0] == 200
        running.wait_for(
            lambda gauges: value(gauges, "ml_predictions_total", model="new") == 1 and total(1)(gauges)
        )


def test_gauges_stay_through_a_reload(tmp_path: Path) -> None:
    now = time.time()
    lines = [record(number, ts=now - 60) for number in range(50_000)]
    write_lines(tmp_path / "logs/predictions.jsonl", lines)
    write_lines(tmp_path / "logs/labels.jsonl", [])
    write_monitor(tmp_path)
    with daemon(tmp_path, "--web.enable-lifecycle") as running:
        running.wait_for(total(50_000))
        write_monitor(tmp_path, monitor(minSamples=2, features={"amount": {"type": "numeric"}}))
        assert running.post("/-/reload")[0] == 200
        assert total(50_000)(running.gauges())
        assert running.get("/-/ready")[0] == 200


def test_two_scores_that_share_a_slot_are_no_collapse(tmp_path: Path) -> None:
    """0.05 and 0.39 have the same hash of 10 bits; a ratio of 1 pages somebody."""
    scores = [{"ts": EPOCH + 60, "id": f"r{row}", "score": (0.05, 0.39)[row % 2]} for row in range(100)]
    write_lines(tmp_path / "logs/predictions.jsonl", scores)
    write_lines(tmp_path / "logs/labels.jsonl", [])
    ratio = value(once(write_monitor(tmp_path)), "ml_prediction_top_value_ratio")
    assert ratio is not None
    assert ratio < 1


@pytest.mark.parametrize("first", ["not json", "", "[1]", "[" * 100_000])
def test_check_passes_over_a_malformed_first_record(first: str, tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [first, {"ts": EPOCH + 60, "id": "r0", "scor": 0.5}])
    done = exporter("check", write_monitor(tmp_path), check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "there is 'scor'" in done.stdout


def test_a_port_that_is_no_number(tmp_path: Path) -> None:
    done = exporter("run", write_monitor(tmp_path), "--web.listen-address", "localhost:²", check=False)
    assert done.returncode == 2
    assert "expected HOST:PORT" in done.stderr


@pytest.mark.slow
def test_a_backlog_of_many_versions_fits_into_a_sidecar(tmp_path: Path) -> None:
    """5 GB it took to fold the outcomes of 40,000 rows: killed, started again, killed again."""
    rows = range(6000)
    lines = [{"ts": EPOCH + row, "id": f"r{row}", "score": 0.5, "version": f"v{row % 40}"} for row in rows]
    write_lines(tmp_path / "logs/predictions.jsonl", lines)
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": f"r{row}", "label": row % 2} for row in rows])
    path = write_monitor(tmp_path, monitor(windows=["100m", "30m"]))
    program = (
        "import sys; from exporter.cli import main; main(sys.argv[1:], standalone_mode=False);"
        "sys.stderr.write(open('/proc/self/status').read())"
    )
    command = [sys.executable, "-c", program, "once", str(path), "--at", "2026-01-10T01:40:00Z"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    gauges = parse(done.stdout)
    assert value(gauges, "ml_monitor_samples", version="v7", window="100m") == 150
    assert value(gauges, "ml_label_coverage_ratio", version="v7", window="100m") == 1
    (peak,) = (int(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("VmHWM"))
    assert peak < 400_000  # kB
