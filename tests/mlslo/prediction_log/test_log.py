"""The prediction log: what it writes, and that it neither waits nor raises."""

from __future__ import annotations

import json
import os
import resource
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from mlslo.prediction_log import PredictionLog
from tests.support.paths import ROOT

SCHEMA = json.loads((ROOT / "docs/schemas/prediction-record.json").read_text(encoding="utf-8"))


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_record_has_the_documented_form(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "logs" / "predictions.jsonl", version="7")
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
    given = log.write(
        score=np.float32(0.25),
        prediction=np.int64(1),
        features={"age": np.int64(41), "country": "CH", "embedding": np.array([0.5, 1.0]), "missing": None},
        id="r-1",
        latency_seconds=0.0123456,
        timestamp=moment,
        tenant="north",
    )
    made = log.write(status=503)
    log.close()
    first, second = records(tmp_path / "logs" / "predictions.jsonl")
    assert first == {
        "timestamp": "2026-01-02T01:04:05.678901Z",
        "id": "r-1",
        "status": 200,
        "tenant": "north",
        "version": "7",
        "latency_ms": 12.346,
        "score": 0.25,
        "prediction": 1,
        "features": {"age": 41, "country": "CH", "embedding": [0.5, 1.0], "missing": None},
    }
    assert given == "r-1"
    assert second["id"] == made
    assert second["status"] == 503
    assert abs(datetime.fromisoformat(second["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)
    for record in (first, second):
        jsonschema.validate(record, SCHEMA)
    assert (log.written, log.dropped) == (2, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "a"},
        {"timestamp": "yesterday", "id": "a", "status": 200},
        {"timestamp": "2026-01-01T00:00:00Z", "id": 5, "status": 200},
    ],
)
def test_the_schema_refuses_other_records(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_threads_lose_nothing(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log.jsonl", max_bytes=20_000, backups=50)

    def write(thread: int) -> None:
        for number in range(500):
            log.write(id=f"{thread}-{number}", score=0.5)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    found = [record["id"] for path in tmp_path.glob("log.jsonl*") for record in records(path)]
    assert sorted(found) == sorted(f"{thread}-{number}" for thread in range(8) for number in range(500))
    assert len(list(tmp_path.glob("log.jsonl*"))) > 3
    assert log.written == 4000


def test_a_full_queue_drops_and_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = PredictionLog(tmp_path / "log.jsonl", queue_size=10, interval=30)
    for number in range(25):
        log.write(id=str(number))
    assert log.dropped == 15
    log.close()
    assert [record["id"] for record in records(tmp_path / "log.jsonl")] == [
        str(number) for number in range(10)
    ]
    # Once a minute, not for each.
    assert [record.getMessage() for record in caplog.records] == [
        "prediction log: 1 records dropped so far; 10 records wait for the disk"
    ]


def test_a_closed_log_drops_and_counts(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log.jsonl")
    log.close()
    log.write(score=1.0)
    assert log.dropped == 1
    assert not (tmp_path / "log.jsonl").exists()


def test_a_folder_that_cannot_be_written_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = PredictionLog(tmp_path / "file" / "log.jsonl")
    log.write(score=1.0)
    log.close()
    assert (log.written, log.dropped) == (0, 1)


def test_values_of_any_type_raise_nothing(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log.jsonl")
    wrong: list[dict[str, Any]] = [{"timestamp": "today"}, {"latency_seconds": "fast"}, {"version": object}]
    for item in wrong:
        assert log.write(score=0.5, **item)
    log.close()
    assert (log.written, log.dropped) == (1, 2)


def test_records_wait_where_no_thread_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at a limit of processes, which Kubernetes has for each pod."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    log = PredictionLog(tmp_path / "log.jsonl")
    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", refused)
        log.write(id="a")
    log.write(id="b")
    log.close()
    assert [record["id"] for record in records(tmp_path / "log.jsonl")] == ["a", "b"]


def test_what_is_no_json_is_dropped(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log.jsonl")
    endless: dict[str, Any] = {}
    endless["again"] = endless
    log.write(features=endless)
    log.write(features={"when": datetime(2026, 1, 1, tzinfo=UTC), "what": Path("x")})
    log.close()
    assert [record["features"] for record in records(tmp_path / "log.jsonl")] == [
        {"when": "2026-01-01T00:00:00+00:00", "what": "x"}
    ]
    assert log.dropped == 1


def test_rotation_keeps_so_many_files(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log.jsonl", max_bytes=100, backups=2, interval=0.001)
    for number in range(20):
        log.write(id=f"{number:040}")
        while log.written <= number:
            pass
    log.close()
    names = ["log.jsonl", "log.jsonl.1", "log.jsonl.2"]
    assert sorted(path.name for path in tmp_path.glob("log*")) == names
    newest = [int(records(tmp_path / name)[0]["id"]) for name in names]
    assert newest == [19, 18, 17]


@pytest.mark.parametrize("how", ["rename", "delete"])
def test_a_file_that_is_taken_away_is_made_anew(how: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = PredictionLog(path, interval=0.001)
    log.write(id="before")
    while not log.written:
        pass
    if how == "rename":
        path.rename(tmp_path / "moved")
    else:
        path.unlink()
    log.write(id="after")
    log.close()
    assert [record["id"] for record in records(path)] == ["after"]


def test_a_line_that_a_full_disk_cuts_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = PredictionLog(path, interval=0.001)
    log.write(id="first")
    while not log.written:
        pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, limits[1]))
    try:
        log.write(id="cut")
        while not log.dropped:
            pass
        log.write(id="none")
        while log.dropped < 2:
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.write(id="again")
    log.close()
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in (lines[0], lines[-1])] == ["first", "again"]
    assert len(lines) == 3
    assert (log.written, log.dropped) == (2, 2)


@pytest.mark.parametrize("wrong", [{"max_bytes": -1}, {"backups": -1}, {"queue_size": 0}, {"interval": 0.0}])
def test_numbers_without_a_sense_are_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected max_bytes"):
        PredictionLog(tmp_path / "log.jsonl", **wrong)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_forked_workers_write_whole_lines_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = PredictionLog(path, max_bytes=30_000, backups=100, interval=0.005)
    log.write(id="parent-0")
    children = []
    for child in range(4):
        pid = os.fork()
        if not pid:
            # A worker: what waited in the parent is the parent's.
            for number in range(300):
                log.write(id=f"{child}-{number}", features={"text": "x" * 100})
            log.close()
            os._exit(0 if log.written == 300 and not log.dropped else 1)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]
    log.close()
    found = [record["id"] for file in tmp_path.glob("log.jsonl*") for record in records(file)]
    assert sorted(found) == sorted(
        ["parent-0", *(f"{child}-{number}" for child in range(4) for number in range(300))]
    )
