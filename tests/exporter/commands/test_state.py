"""`mlslo-exporter state`: what is in state files, whether it is sound, and all of it as JSON."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from exporter.cli import main
from exporter.daemon.models import load_all
from exporter.daemon.recovery import RecoveringCycle
from tests.exporter.daemon.test_daemon import daemon, total
from tests.exporter.daemon.test_daemon import record as now_record
from tests.exporter.state.test_migration import FILES
from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, record, write_lines, write_monitor


def called(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["state", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs, and the state of them: 10 predictions of which 4 have a label, and a label without a prediction."""
    folder = tmp_path_factory.mktemp("state command")
    write_lines(folder / "logs/predictions.jsonl", [record(number, at=60.0 * number) for number in range(10)])
    labels = [{"id": f"r{number}", "label": 1, "ts": EPOCH + 900} for number in (0, 1, 2, 3, 77)]
    write_lines(folder / "logs/labels.jsonl", labels)
    (model,) = load_all([write_monitor(folder)])
    with closing(RecoveringCycle(model, folder / "state")) as cycle:
        cycle.run(at=EPOCH + 3600, final=True)
    return folder


@pytest.fixture
def file(folder: Path, tmp_path: Path) -> Path:
    """A copy of the state, to be spoilt."""
    file = tmp_path / "m.sqlite"
    file.write_bytes((folder / "state/m.sqlite").read_bytes())
    return file


def test_show(folder: Path) -> None:
    before = (folder / "state/m.sqlite").read_bytes()
    shown = called("show", folder / "state").stdout
    assert shown.startswith(f"{folder}/state/m.sqlite: model 'm', schema 7, ")
    for line in (
        f"predictions: {folder}/logs/predictions.jsonl at {(folder / 'logs/predictions.jsonl').stat().st_size}",
        "'v1': predictions from 2026-01-10T00:00:00+00:00 to 2026-01-10T00:09:00+00:00",
        "traffic: 10, which begin from 2026-01-10T00:00:00+00:00 to 2026-01-10T00:09:00+00:00",
        "predictions for a label: 6",
        "labels for a prediction: 1",
        "ml_predictions_total{v1} 10",
    ):
        assert f"    {line}\n" in shown
    assert (folder / "state/m.sqlite").read_bytes() == before
    assert [path.name for path in (folder / "state").iterdir()] == ["m.sqlite"]


def test_export_is_all_that_is_counted_and_no_record(folder: Path) -> None:
    found = lines(called("export", folder / "state/m.sqlite"))
    by_type = {
        kind: [item for item in found if item["type"] == kind] for kind in {item["type"] for item in found}
    }
    assert found[0]["type"] == "state"
    assert (found[0]["model"], found[0]["schema"]) == ("m", 7)
    assert {"type": "counter", "name": "ml_predictions_total", "labels": ["v1"], "total": 10.0} in found
    assert [item["version"] for item in by_type["version"]] == ["v1"]
    traffic = [item for item in by_type["bucket"] if item["kind"] == "traffic"]
    assert [item["start"] for item in traffic] == [
        f"2026-01-10T00:0{minute}:00+00:00" for minute in range(10)
    ]
    assert all(len(item["places"]) == len(item["numbers"]) > 0 for item in traffic)
    assert by_type["waiting"][0]["of"]["predictions for a label"] == 6
    assert not {"prediction", "label"} & by_type.keys()
    with_ids = lines(called("export", "--ids", folder / "state/m.sqlite"))
    more = [item for item in with_ids if item["type"] in ("prediction", "label")]
    assert len(more) == 7
    assert all(len(item["id"]) == 16 for item in more)
    assert [item for item in with_ids if item not in more] == found


def test_verify_finds_nothing_in_sound_files(folder: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.sqlite"
    old.write_bytes(gzip.decompress((FILES / "6-binary.sqlite.gz").read_bytes()))
    result = called("verify", folder / "state", old)
    assert (result.exit_code, result.stdout) == (0, f"{folder}/state/m.sqlite: fine\n{old}: fine\n")


WRONG = {
    "UPDATE summaries SET vector = x'00010203' WHERE start = (SELECT min(start) FROM summaries)": "summaries: ",
    "UPDATE positions SET position = '{\"inode\": 3}'": "positions: ",
    "UPDATE counters SET labels = '[' WHERE name = 'ml_predictions_total'": "counters: ",
    "UPDATE counters SET total = -1 WHERE name = 'ml_predictions_total'": "counters: ml_predictions_total",
    "DELETE FROM pending WHERE id = (SELECT min(id) FROM pending)": "id_samples: ",
    "UPDATE delivered SET size = 3": "delivered: block 1: 10 hashes, expected 3",
    "INSERT INTO made_references VALUES (1, 'v1', 'launch', '{}')": "made_references: v1 launch: ",
    "ALTER TABLE segment_values DROP COLUMN held": "damaged (a table of another shape: segment_values ",
    "PRAGMA user_version = 99": "written by another version of mlslo: its schema is 99, expected 5 to 7",
}


@pytest.mark.parametrize(("statement", "message"), WRONG.items(), ids=range(len(WRONG)))
def test_verify_finds_what_is_wrong(statement: str, message: str, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)
    result = called("verify", file)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{file}: {message}")


@pytest.mark.parametrize("size", [0, 50, 5 * 4096, 5 * 4096 + 1000])
def test_a_truncated_file_is_found_and_not_shown(size: int, file: Path) -> None:
    os.truncate(file, size)
    assert called("verify", file).exit_code == 1
    for command in ("show", "export"):
        result = called(command, file)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"{file}: damaged (")


def test_pages_that_were_overwritten_are_found(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    file.write_bytes(content)
    result = called("verify", file)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{file}: ")


def test_what_is_no_state_is_one_clear_message(tmp_path: Path) -> None:
    result = called("show", tmp_path / "nowhere.sqlite")
    assert (result.exit_code, result.stderr) == (
        2,
        f"{tmp_path}/nowhere.sqlite: cannot be used: No such file or directory\n",
    )
    result = called("verify", tmp_path)
    assert (result.exit_code, result.stderr) == (2, f"{tmp_path}: no state file, expected NAME.sqlite\n")


@pytest.mark.parametrize("command", ["show", "verify", "export"])
def test_what_is_no_file_or_an_inbox_is_refused(command: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.sqlite")
    (tmp_path / "state/inbox/m").mkdir(parents=True)
    inbox = tmp_path / "state/inbox/m/predictions.sqlite"
    inbox.write_bytes(b"")
    for path, wrong, message in (
        ("/dev/zero", "/dev/zero", "expected a file, or a folder of state files"),
        (tmp_path, tmp_path / "pipe.sqlite", "expected a file, or a folder of state files"),
        (
            inbox.parent,
            inbox,
            "an inbox of pushed events; expected a state file, mostly two folders above it",
        ),
    ):
        result = called(command, path)
        assert (result.exit_code, result.stderr) == (2, f"{wrong}: {message}\n")


@pytest.mark.slow
def test_a_state_is_read_while_its_daemon_writes_to_it(tmp_path: Path) -> None:
    log = tmp_path / "logs/predictions.jsonl"
    write_lines(log, [now_record(0)])
    write_monitor(tmp_path, monitor(labels=None, schedule="50ms"))
    with daemon(tmp_path) as running:
        running.wait_for(total(1))
        for number in range(1, 3):
            write_lines(log, [now_record(number)])
            running.wait_for(total(number + 1))
            shown = exporter("state", "show", tmp_path / "state").stdout
            assert f"    ml_predictions_total{{}} {number + 1}\n" in shown
            assert exporter("state", "verify", tmp_path / "state").stdout.endswith("m.sqlite: fine\n")
        assert running.process.poll() is None
