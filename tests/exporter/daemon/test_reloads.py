"""Monitor files and references that change while the daemon runs are loaded by themselves, once they are whole."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.daemon.watched_files import WatchedFiles
from exporter.references.baseline import build
from exporter.references.reference_file import dump
from exporter.sinks import Batch
from exporter.sinks.files import FileSink
from exporter.sinks.reader import SINKS
from mlslo.monitor import load
from tests.support.daemons import Running, running
from tests.support.logs import Gauges, monitor, value, write_lines, write_monitor

OFTEN = 0.05


def spec(**changes: Any) -> dict[str, Any]:
    return monitor(**{"labels": None, "schedule": "100ms", **changes})


def record(number: int) -> dict[str, Any]:
    return {"ts": time.time() - 1, "id": f"r{number}", "score": 0.5, "features": {"x": number}}


def windows(gauges: Gauges) -> set[str]:
    return {labels["window"] for labels, _ in gauges.get("ml_monitor_samples", [])}


def is_refused(gauges: Gauges) -> bool:
    return value(gauges, "ml_exporter_config_last_reload_successful") == 0


def put(path: Path, text: str) -> None:
    """Put a content in the place of another at once, however busy the machine is."""
    path.with_name("new").write_text(text)
    path.with_name("new").replace(path)


def reference(folder: Path, name: str, scale: int) -> None:
    """Put a reference, as another process would: whole, in the place of the one before."""
    data = write_lines(folder / f"{scale}.jsonl", ({"features": {"x": scale * n}} for n in range(100)))
    content = dump("m", build(load(folder / "monitor.yaml"), [data]).reference)
    put(folder / name, content)


def test_a_configmap_that_is_swapped_is_loaded(tmp_path: Path) -> None:
    """As the kubelet does it: a link to a folder is turned, and no file of before is written to."""
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0)])

    def put(version: str, content: Mapping[str, Any]) -> None:
        (tmp_path / version).mkdir()
        (tmp_path / version / "monitor.yaml").write_text(yaml.safe_dump(dict(content)))
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    put("..2026_01", spec())
    (tmp_path / "monitor.yaml").symlink_to("..data/monitor.yaml")
    with running([tmp_path / "monitor.yaml"], tmp_path / "state", look_every=OFTEN) as daemon:
        daemon.wait_for(lambda gauges: value(gauges, "ml_predictions_total") == 1)
        put("..2026_02", spec(windows=["2h"]))
        gauges = daemon.wait_for(lambda gauges: windows(gauges) == {"2h"})
        assert value(gauges, "ml_predictions_total") == 1
        assert not is_refused(gauges)


def test_a_wrong_file_changes_nothing_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0)])
    path = write_monitor(tmp_path, spec())
    with running([path], tmp_path / "state", look_every=OFTEN) as daemon:
        daemon.wait_for(lambda gauges: windows(gauges) == {"1h"})
        whole = yaml.safe_dump(spec(windows=["2h"]))
        put(path, whole[: len(whole) // 3])
        daemon.wait_for(is_refused)
        looks = seen_looks(daemon, 5)
        assert windows(daemon.gauges()) == {"1h"}
        assert len([line for line in caplog.messages if line.startswith("reload failed")]) == 1, looks
        path.unlink()
        seen_looks(daemon, 5)
        assert windows(daemon.gauges()) == {"1h"}
        put(path, whole)
        gauges = daemon.wait_for(lambda gauges: windows(gauges) == {"2h"})
        assert not is_refused(gauges)
    failed = [line for line in caplog.messages if line.startswith("reload failed")]
    assert [f"{path}:" in line for line in failed] == [True, True]


def seen_looks(daemon: Running, number: int) -> int:
    """Wait until the daemon has looked at its files some times more."""
    looks = []
    looked = daemon.daemon._files.changed

    def look() -> list[Path]:
        looks.append(0)
        return looked()

    daemon.daemon._files.changed = look  # type: ignore[method-assign]
    daemon.wait_for(lambda _: len(looks) >= number)
    return len(looks)


def test_a_reference_that_comes_and_is_replaced_is_loaded(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0)])
    path = write_monitor(tmp_path, spec())
    with running([path], tmp_path / "state", look_every=OFTEN) as daemon:
        daemon.wait_for(lambda gauges: value(gauges, "ml_predictions_total") == 1)
        write_monitor(tmp_path, spec(references={"training": {"static": "training.json"}}))
        daemon.wait_for(is_refused)
        reference(tmp_path, "training.json", 1)
        first = daemon.wait_for(lambda gauges: "ml_reference_info" in gauges)["ml_reference_info"]
        reference(tmp_path, "training.json", 10)
        second = daemon.wait_for(lambda gauges: gauges["ml_reference_info"] != first)["ml_reference_info"]
        assert len(first) == len(second) == 1


def test_a_file_is_taken_once_it_was_the_same_for_two_looks(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, spec())
    files = WatchedFiles([path])
    files.take()
    assert [files.changed() for _ in range(2)] == [[], []]
    whole = yaml.safe_dump(spec(windows=["2h"]))
    for length in range(100, len(whole), 100):
        path.write_text(whole[:length])
        assert files.changed() == []
    path.write_text(whole)
    assert [files.changed() for _ in range(2)] == [[], [path]]
    files.take()
    assert files.changed() == []


def test_a_change_that_neither_size_nor_time_shows_is_seen(tmp_path: Path) -> None:
    """A writer that is quick, on a file system whose clock is slow."""
    path = write_monitor(tmp_path, spec(windows=["2h"]))
    files = WatchedFiles([path])
    files.take()
    before = path.stat()
    path.write_text(path.read_text().replace("2h", "3h"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [files.changed() for _ in range(2)] == [[], [path]]


def test_a_file_that_is_as_it_was_is_not_read_again(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, spec())
    os.utime(path, (1, 1))
    files = WatchedFiles([path])
    files.take()
    assert files.changed() == []
    before = path.stat()
    content = path.read_bytes()
    # A change that cannot be seen, as a proof that nothing is read.
    path.write_bytes(bytes(len(content)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [files.changed() for _ in range(2)] == [[], []]


class Interrupted(FileSink):
    """A file sink that waits before each batch."""

    begun, goes_on = threading.Event(), threading.Event()

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        for batch in super().batches(final=final):
            type(self).begun.set()
            assert type(self).goes_on.wait(30)
            yield batch


def test_a_reload_in_mid_cycle_waits_for_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SINKS, "file", Interrupted)
    write_lines(tmp_path / "logs/predictions.jsonl", [record(number) for number in range(5)])
    path = write_monitor(tmp_path, spec())
    with running([path], tmp_path / "state") as daemon:
        assert Interrupted.begun.wait(30)
        write_monitor(tmp_path, spec(windows=["2h"]))
        done = daemon.daemon.request_reload()
        assert windows(daemon.gauges()) == set()
        assert not done.is_set()
        Interrupted.goes_on.set()
        assert done.wait(30)
        gauges = daemon.wait_for(lambda gauges: windows(gauges) == {"2h"})
        assert value(gauges, "ml_predictions_total") == 5
        assert value(gauges, "ml_monitor_samples", window="2h") == 5
